"""What the agent keeps of one rollout: T steps of N environments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from roborew.agents.advantage import compute_gae


@dataclass(frozen=True, slots=True)
class Samples:
    """Steps as an update reads them; B = T * N for a whole rollout, fewer for a batch of it.

    Attributes:
        observations: shape (B, D), normalized.
        actions: shape (B, A).
        log_prob: shape (B,), log density of the actions under the policy that took them.
        advantages: shape (B,), of mean 0 and variance 1 over the rollout.
        returns: shape (B,), what the value function should say.
    """

    observations: Tensor
    actions: Tensor
    log_prob: Tensor
    advantages: Tensor
    returns: Tensor

    def __len__(self) -> int:
        return len(self.observations)

    def __getitem__(self, rows: Tensor | slice) -> Samples:
        return Samples(
            self.observations[rows],
            self.actions[rows],
            self.log_prob[rows],
            self.advantages[rows],
            self.returns[rows],
        )


class RolloutBuffer:
    """Filled step by step with `add`, then completed by `compute_advantages`.

    Attributes:
        rewards: shape (T, N), float64, of the action taken at t.
        true_rewards: shape (T, N), float64, NaN where the environment does not tell.
        bootstrap: shape (T, N), float64, value of the final observation where a time limit cut the
            episode, else 0.
        done: shape (T, N), bool, the action at t was the last of its episode.
        values: shape (T, N), float32, of the state before the action.
        advantages: shape (T, N), float64, set once the rollout is full.
    """

    def __init__(self, n_steps: int, num_envs: int) -> None:
        shape = (n_steps, num_envs)
        self.rewards = np.zeros(shape)
        self.true_rewards = np.full(shape, np.nan)
        self.bootstrap = np.zeros(shape)
        self.done = np.zeros(shape, dtype=np.bool_)
        self.values = np.zeros(shape, dtype=np.float32)
        self.advantages = np.zeros(shape)
        self._observations: list[Tensor] = []
        self._actions: list[Tensor] = []
        self._means: list[Tensor] = []

    def add(
        self,
        observations: NDArray[Any],
        actions: Tensor,
        means: Tensor,
        values: Tensor,
        *,
        rewards: NDArray[Any],
        true_rewards: NDArray[Any] | None,
        bootstrap: NDArray[np.floating],
        done: NDArray[np.bool_],
    ) -> None:
        """Add one step: normalized observations (N, D), actions and the policy's means (N, A), and of
        shape (N,) the rest; see the attributes."""
        t = len(self._actions)
        self._observations.append(torch.as_tensor(observations))
        self._actions.append(actions)
        self._means.append(means)
        self.values[t] = values.cpu().numpy()
        self.rewards[t] = rewards
        self.bootstrap[t] = bootstrap
        self.done[t] = done
        if true_rewards is not None:
            self.true_rewards[t] = true_rewards

    def compute_advantages(
        self, last_values: NDArray[np.float32], gamma: float, gae_lambda: float
    ) -> None:
        """Fill in the advantages; ``last_values``, shape (N,), are of the states after the last
        step."""
        following = np.concatenate([self.values[1:], last_values[None]])
        # The next row of an ended episode already shows another one's first state.
        next_values = np.where(self.done, self.bootstrap, following)
        self.advantages = compute_gae(
            self.rewards, self.values, next_values, self.done, gamma, gae_lambda
        )

    def samples(self, device: str, log_prob: Callable[[Tensor, Tensor], Tensor]) -> Samples:
        """Return all steps in the order of time, the environments of a step together.

        Args:
            device: where to.
            log_prob: means (B, A), actions (B, A) -> log density (B,) under the policy that acted.
        """
        centered = self.advantages - self.advantages.mean()
        # The constant keeps a rollout of equal advantages from dividing by zero.
        advantages = centered / (self.advantages.std() + 1e-8)
        # From the raw advantages: scaled ones are no longer in units of reward.
        returns = self.advantages + self.values
        actions = torch.cat(self._actions)
        with torch.no_grad():
            densities = log_prob(torch.cat(self._means), actions)
        return Samples(
            torch.cat(self._observations).to(device),
            actions.to(device),
            densities.to(device),
            torch.as_tensor(advantages.astype(np.float32).ravel()).to(device),
            torch.as_tensor(returns.astype(np.float32).ravel()).to(device),
        )
