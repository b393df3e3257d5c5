"""From scores to calibrated progress: the best rising function, found on validation episodes only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import isotonic_regression

from roborew.errors import InvalidInputError
from roborew.types import Scores

ENOUGH = 20
"""Labelled frames below which nothing is calibrated."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """A rising piecewise-linear function from scores to progress in [0, 1] (isotonic regression).

    Attributes:
        scores: knots, rising, shape (K,).
        progress: their values, never falling, shape (K,), in [0, 1].
    """

    scores: NDArray[np.float64]
    progress: NDArray[np.float64]

    @classmethod
    def fitted(cls, scores: ArrayLike, progress: ArrayLike) -> Calibration:
        """Fit to pairs of a score and a label, least squares.

        Raises:
            InvalidInputError: fewer than `ENOUGH` pairs.
        """
        x, y = np.asarray(scores, np.float64), np.asarray(progress, np.float64)
        known = np.isfinite(x) & np.isfinite(y)
        if known.sum() < ENOUGH:
            raise InvalidInputError(f"calibration: expected at least {ENOUGH} labelled frames; got {known.sum()}.")
        values, which, counts = np.unique(x[known], return_inverse=True, return_counts=True)
        means = np.bincount(which, y[known]) / counts
        rising = cast(Any, isotonic_regression)(means, weights=counts).x  # its annotations leave the result open
        return cls(values, np.clip(rising, 0.0, 1.0))

    def apply(self, scores: Scores) -> Scores:
        """Calibrated scores; abstentions and claims stay as they are."""
        value = np.interp(scores.value, self.scores, self.progress).astype(np.float32)
        return Scores(np.where(scores.valid, value, 0).astype(np.float32), scores.valid, scores.success)

    def state(self) -> dict[str, list[float]]:
        """What JSON holds."""
        return {"scores": self.scores.tolist(), "progress": self.progress.tolist()}

    @classmethod
    def from_state(cls, state: Mapping[str, Sequence[float]] | Any) -> Calibration:
        """Take over `state`."""
        return cls(np.array(state["scores"], np.float64), np.array(state["progress"], np.float64))
