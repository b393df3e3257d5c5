"""Running mean and variance of a stream of vectors, for normalising observations and rewards."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MIN_VARIANCE = 1e-8
"""Added to a variance, so that what never changes is not divided by zero."""
MAX_DEVIATION = 10.0
"""Standard deviations at which observations are clipped."""


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
        count = len(rows)
        mean = rows.mean(axis=0, dtype=np.float64)
        variance = rows.var(axis=0, dtype=np.float64)
        total = self.count + count
        shift = mean - self.mean
        # Sums of squared deviations: of the rows before, of the new ones, and between their means.
        before = self.variance * self.count
        new = variance * count
        between = shift**2 * self.count * count / total
        squares = before + new + between
        self.mean = self.mean + shift * count / total
        self.variance = squares / total
        self.count = total

    def normalize(self, rows: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return rows centered, scaled to unit variance and clipped to [-10, 10], shape (n, D)."""
        scaled = (rows - self.mean) / np.sqrt(self.variance + MIN_VARIANCE)
        return np.clip(scaled, -MAX_DEVIATION, MAX_DEVIATION).astype(np.float32)

    def state_dict(self) -> dict[str, NDArray[np.float64]]:
        """Return everything `load_state_dict` needs."""
        return {
            "mean": self.mean.copy(),
            "variance": self.variance.copy(),
            "count": np.array([self.count]),
        }

    def load_state_dict(self, arrays: dict[str, NDArray[np.float64]]) -> None:
        """Take over what `state_dict` returned."""
        self.mean = arrays["mean"].copy()
        self.variance = arrays["variance"].copy()
        self.count = float(arrays["count"][0])


class RewardNormalizer:
    """Divides rewards by the running standard deviation of the discounted return."""

    def __init__(self, num_envs: int, gamma: float) -> None:
        self._return_stats = RunningMeanStd(1)
        self._returns = np.zeros(num_envs)
        self._gamma = gamma

    def __call__(
        self, rewards: NDArray[np.floating], done: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """Scale a rollout's rewards, shape (T, N), after learning from them."""
        returns: list[NDArray[np.float64]] = []
        for reward, ended in zip(rewards, done, strict=True):
            self._returns = self._returns * self._gamma + reward
            returns.append(self._returns)
            self._returns = np.where(ended, 0.0, self._returns)
        rows = np.concatenate(returns)[:, None]
        self._return_stats.update(rows)
        std = np.sqrt(self._return_stats.variance + MIN_VARIANCE)
        return rewards / std

    def state_dict(self) -> dict[str, NDArray[np.float64]]:
        """Return everything `load_state_dict` needs."""
        return self._return_stats.state_dict() | {"returns": self._returns.copy()}

    def load_state_dict(self, arrays: dict[str, NDArray[np.float64]]) -> None:
        """Take over what `state_dict` returned."""
        self._return_stats.load_state_dict(arrays)
        self._returns = arrays["returns"].copy()
