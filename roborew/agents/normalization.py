"""Running mean and variance of a stream of vectors, for normalising observations and rewards."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FLOOR = 1e-8
LIMIT = 10.0


class RunningMeanStd:
    """Mean and variance of all rows seen so far, merged batch by batch (Chan et al. 1979).

    Attributes:
        mean: shape (D,), float64.
        variance: shape (D,), float64.
        count: rows seen.
    """

    def __init__(self, size: int) -> None:
        self.mean = np.zeros(size)
        self.variance = np.ones(size)
        self.count = 0.0

    def update(self, rows: NDArray[np.floating]) -> None:
        """Merge rows of shape (n, D)."""
        count, mean, variance = (
            len(rows),
            rows.mean(axis=0, dtype=np.float64),
            rows.var(axis=0, dtype=np.float64),
        )
        total = self.count + count
        shift = mean - self.mean
        squares = (
            self.variance * self.count + variance * count + shift**2 * self.count * count / total
        )
        self.mean = self.mean + shift * count / total
        self.variance = squares / total
        self.count = total

    def normalize(self, rows: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return rows centred, scaled to unit variance and clipped to [-10, 10], shape (n, D)."""
        scaled = (rows - self.mean) / np.sqrt(self.variance + FLOOR)
        return np.clip(scaled, -LIMIT, LIMIT).astype(np.float32)

    def state_dict(self) -> dict[str, NDArray[np.float64]]:
        """Return everything `load_state_dict` needs."""
        return {
            "mean": self.mean.copy(),
            "variance": self.variance.copy(),
            "count": np.array([self.count]),
        }

    def load_state_dict(self, arrays: dict[str, NDArray[np.float64]]) -> None:
        """Take over what `state_dict` returned."""
        self.mean, self.variance = arrays["mean"].copy(), arrays["variance"].copy()
        self.count = float(arrays["count"][0])


class RewardNormalizer:
    """Divides rewards by the running standard deviation of the discounted return."""

    def __init__(self, num_envs: int, discount: float) -> None:
        self._moments = RunningMeanStd(1)
        self._returns = np.zeros(num_envs)
        self._discount = discount

    def __call__(
        self, rewards: NDArray[np.floating], done: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """Scale a rollout's rewards, shape (T, N), after learning from them."""
        returns: list[NDArray[np.float64]] = []
        for reward, last in zip(rewards, done, strict=True):
            self._returns = self._returns * self._discount + reward
            returns.append(self._returns)
            self._returns = np.where(last, 0.0, self._returns)
        self._moments.update(np.concatenate(returns)[:, None])
        return rewards / np.sqrt(self._moments.variance + FLOOR)

    def state_dict(self) -> dict[str, NDArray[np.float64]]:
        """Return everything `load_state_dict` needs."""
        return self._moments.state_dict() | {"returns": self._returns.copy()}

    def load_state_dict(self, arrays: dict[str, NDArray[np.float64]]) -> None:
        """Take over what `state_dict` returned."""
        self._moments.load_state_dict(arrays)
        self._returns = arrays["returns"].copy()
