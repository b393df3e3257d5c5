"""What the agent keeps of one rollout: T steps of N environments."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class RolloutBuffer:
    """Filled step by step with `open` (before acting on the environment) and `close` (after).

    Attributes:
        rewards: shape (T, N), float64, of the action taken at t.
        true_rewards: shape (T, N), float64, NaN where the environment does not tell.
        bootstrap: shape (T, N), float64, value of the final observation where a time limit cut the
            episode, else 0.
        done: shape (T, N), bool, the action at t was the last of its episode.
        values: shape (T, N), float32, the critic's value before the action.
        advantages: shape (T, N), float64, set once the rollout is full.
    """

    def __init__(self, length: int, num_envs: int) -> None:
        shape = (length, num_envs)
        self.rewards = np.zeros(shape)
        self.true_rewards = np.full(shape, np.nan)
        self.bootstrap = np.zeros(shape)
        self.done = np.zeros(shape, dtype=np.bool_)
        self.values = np.zeros(shape, dtype=np.float32)
        self.advantages = np.zeros(shape)
        self._kept: list[tuple[Tensor, Tensor, Tensor]] = []
        self._closed = 0

    def open(
        self,
        observations: NDArray[np.float32],
        actions: Tensor,
        log_probability: Tensor,
        values: Tensor,
    ) -> None:
        """Keep normalised observations (N, D), actions (N, A), their log density (N,) and values
        (N,)."""
        self._kept.append((torch.as_tensor(observations), actions, log_probability))
        self.values[self._closed] = values.cpu().numpy()

    def close(
        self,
        rewards: NDArray[Any],
        bootstrap: NDArray[np.floating],
        done: NDArray[np.bool_],
        true_rewards: NDArray[Any] | None,
    ) -> None:
        """Keep what the environments answered, each of shape (N,)."""
        t = self._closed
        self.rewards[t], self.bootstrap[t], self.done[t] = rewards, bootstrap, done
        if true_rewards is not None:
            self.true_rewards[t] = true_rewards
        self._closed += 1

    def samples(self, device: str) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Return observations, actions, log densities, standardised advantages and returns, each (T
        * N, ...)."""
        observations, actions, log_probability = (
            torch.cat(parts).to(device) for parts in zip(*self._kept, strict=True)
        )
        advantages = (self.advantages - self.advantages.mean()) / (self.advantages.std() + 1e-8)
        returns = self.advantages + self.values
        advantages, returns = (
            torch.as_tensor(part.astype(np.float32).ravel()) for part in (advantages, returns)
        )
        return observations, actions, log_probability, advantages.to(device), returns.to(device)
