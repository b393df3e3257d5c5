"""What was experienced, by environment and in order, so that returns of several steps can be read
from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from roborew.agents.demonstrations import DemonstrationEpisode

COLUMNS = ("observations", "actions", "rewards", "next_observations", "terminated", "done")


@dataclass(frozen=True, slots=True)
class Batch:
    """Samples of one gradient step.

    Attributes:
        observations: shape (B, D).
        actions: shape (B, A), in [-1, 1].
        returns: shape (B,), the discounted rewards of the next n steps, or of fewer where the
            episode or the memory ends.
        next_observations: shape (B, D), after these steps.
        discounts: shape (B,), of the value there; 0 after a termination.
    """

    observations: Tensor
    actions: Tensor
    returns: Tensor
    next_observations: Tensor
    discounts: Tensor

    @staticmethod
    def concatenate(first: Batch, second: Batch) -> Batch:
        """Return the samples of both."""
        pairs = ((getattr(first, name), getattr(second, name)) for name in Batch.__slots__)
        return Batch(*(torch.cat(pair) for pair in pairs))


class ReplayBuffer:
    """A ring of steps of ``num_envs`` environments that run side by side.

    Args:
        capacity: transitions, over all environments; the oldest give way.
        num_envs: environments.
        observation_dim: D.
        action_dim: A.
    """

    def __init__(self, capacity: int, num_envs: int, observation_dim: int, action_dim: int) -> None:
        rows = max(1, capacity // num_envs)
        self.rows = rows
        self.num_envs = num_envs
        self.head = 0
        """Row that is written next."""
        self.filled = 0
        """Rows that hold something."""
        self._observations = torch.zeros(rows, num_envs, observation_dim)
        self._actions = torch.zeros(rows, num_envs, action_dim)
        self._rewards = torch.zeros(rows, num_envs)
        # Kept beside the next row: at the end of an episode that row is another one's first.
        self._next_observations = torch.zeros(rows, num_envs, observation_dim)
        self._terminated = torch.zeros(rows, num_envs)
        self._done = torch.zeros(rows, num_envs)

    @property
    def num_bytes(self) -> int:
        """Memory of the buffer once it is full; taken page by page, as it fills."""
        return sum(getattr(self, f"_{name}").nbytes for name in COLUMNS)

    def __len__(self) -> int:
        return self.filled * self.num_envs

    def add(
        self,
        observations: NDArray[Any],
        actions: Tensor,
        rewards: NDArray[np.floating],
        next_observations: NDArray[Any],
        terminated: NDArray[np.bool_],
        done: NDArray[np.bool_],
    ) -> None:
        """Remember one step of every environment."""
        row = self.head
        self._observe(row, observations, next_observations)
        self._actions[row] = actions
        self._rewards[row] = torch.as_tensor(rewards, dtype=torch.float32)
        self._terminated[row] = torch.as_tensor(terminated, dtype=torch.float32)
        self._done[row] = torch.as_tensor(done, dtype=torch.float32)
        self.head = (row + 1) % self.rows
        self.filled = min(self.filled + 1, self.rows)

    def sample(self, size: int, n_steps: int, gamma: float, generator: torch.Generator) -> Batch:
        """Draw transitions evenly and add up the rewards of their next ``n_steps``.

        ``R = sum_k gamma^k r_k``; the sum ends at the end of an episode, and at the newest row.
        """
        first = self._draw_rows(size, generator)
        envs = torch.randint(self.num_envs, (size,), generator=generator)
        newest = (self.head - 1) % self.rows
        returns, factors = torch.zeros(size), torch.ones(size)
        running = torch.ones(size, dtype=torch.bool)
        row = last = first
        for _ in range(n_steps):
            rewards = torch.where(running, self._rewards[row, envs], 0.0)
            returns = returns + factors * rewards
            factors = torch.where(running, factors * gamma, factors)
            last = torch.where(running, row, last)
            ends = (self._done[row, envs] > 0) | (row == newest)
            running = running & ~ends
            row = (row + 1) % self.rows
        return Batch(
            observations=self._observed(first, envs),
            actions=self._actions[first, envs],
            returns=returns,
            next_observations=self._observed_next(last, envs),
            discounts=factors * (1 - self._terminated[last, envs]),
        )

    def _observe(
        self, row: int, observations: NDArray[Any], next_observations: NDArray[Any]
    ) -> None:
        self._observations[row] = torch.as_tensor(observations, dtype=torch.float32)
        self._next_observations[row] = torch.as_tensor(next_observations, dtype=torch.float32)

    def _draw_rows(self, size: int, generator: torch.Generator) -> Tensor:
        return torch.randint(self.filled, (size,), generator=generator)

    def _observed(self, rows: Tensor, envs: Tensor) -> Tensor:
        return self._observations[rows, envs]

    def _observed_next(self, rows: Tensor, envs: Tensor) -> Tensor:
        return self._next_observations[rows, envs]

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Return what is remembered, and where the ring stands."""
        arrays: dict[str, NDArray[Any]] = {
            name: getattr(self, f"_{name}")[: self.filled].numpy().copy() for name in COLUMNS
        }
        arrays["position"] = np.array([self.head, self.filled])
        return arrays

    def load_state_dict(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `state_dict` returned, of a buffer of the same size."""
        self.head, self.filled = (int(number) for number in arrays["position"])
        for name in COLUMNS:
            getattr(self, f"_{name}")[: self.filled] = torch.as_tensor(arrays[name])


def demonstration_buffer(
    episodes: Sequence[DemonstrationEpisode], actions: Sequence[NDArray[np.float32]]
) -> ReplayBuffer:
    """Return a buffer of exactly these episodes, observed by vectors, one after the other.

    Args:
        episodes: paid, see `DemonstrationEpisode.rewards`.
        actions: those of each episode in [-1, 1], shape (T, A).
    """
    observations = [np.asarray(episode.observations) for episode in episodes]
    total = sum(len(part) for part in actions)
    buffer = ReplayBuffer(total, 1, observations[0].shape[1], actions[0].shape[1])
    fill_buffer(buffer, episodes, observations, actions)
    return buffer


def fill_buffer(
    buffer: ReplayBuffer,
    episodes: Sequence[DemonstrationEpisode],
    observations: Sequence[NDArray[Any]],
    actions: Sequence[NDArray[np.float32]],
) -> None:
    """Put episodes into the buffer of one environment, one after the other.

    Args:
        buffer: with room for them.
        episodes: paid, see `DemonstrationEpisode.rewards`.
        observations: those of each episode as the buffer holds them, shape (T + 1, ...).
        actions: those of each episode in [-1, 1], shape (T, A).
    """
    for episode, rows, part in zip(episodes, observations, actions, strict=True):
        assert episode.rewards is not None
        length = len(part)
        for step in range(length):
            is_last = step == length - 1
            buffer.add(
                rows[step : step + 1],
                torch.as_tensor(part[step : step + 1]),
                episode.rewards[step : step + 1],
                rows[step + 1 : step + 2],
                terminated=np.array([is_last and episode.terminated]),
                done=np.array([is_last]),
            )
