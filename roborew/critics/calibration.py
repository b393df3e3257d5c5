"""From scores to calibrated progress and chances of success: the best rising functions, found on
validation only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import isotonic_regression

from roborew.critics.objective import Objective, Query
from roborew.errors import InvalidInputError
from roborew.learning.examples import Example
from roborew.learning.labels import progress_labels, success_labels
from roborew.types import Scores

ENOUGH = 20
"""Labelled frames below which nothing is calibrated."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Rising piecewise-linear functions from scores to progress and to the chance of success.

    Both are isotonic regressions (Barlow et al. 1972). Progress goes straight through the middles
    of its steps and on
    beyond the outermost ones: on a step itself two scores would be worth the same, and an agent
        there learn nothing.
    The chance of success keeps its steps, and rises between the last score of one and the first of
    the next: scores that only failures had are worth nothing, however near to success they come.

    Attributes:
        scores: knots, rising, shape (K,).
        progress: values there, never falling, shape (K,), in [0, 1].
        success: the same of the chance that the goal holds; None where validation shows no success
            or no failure.
    """

    scores: NDArray[np.float64]
    progress: NDArray[np.float64]
    success: NDArray[np.float64] | None = None

    @classmethod
    def fit(
        cls, scores: ArrayLike, progress: ArrayLike, success: ArrayLike | None = None
    ) -> Calibration:
        """Fit to scores with their labels, least squares.

        Args:
            scores: shape (N,), NaN where there is none.
            progress: labels, NaN where nobody knows.
            success: whether the goal holds, 0 or 1, NaN where nobody knows. One more failure is
                imagined at the best score, so that a chance of 0.9 there takes nine frames of
                success and no other failure.

        Raises:
            InvalidInputError: fewer than `ENOUGH` frames with score and progress.
        """
        x, y = np.asarray(scores, np.float64), np.asarray(progress, np.float64)
        known = np.isfinite(x) & np.isfinite(y)
        if known.sum() < ENOUGH:
            raise InvalidInputError(
                f"calibration: expected at least {ENOUGH} labelled frames; got {known.sum()}."
            )
        knots, rising = _rising(x[known], y[known])
        if success is None:
            return cls(knots, rising)
        holds = np.asarray(success, np.float64)
        told = np.isfinite(x) & np.isfinite(holds)
        if not 0 < holds[told].sum() < told.sum():
            return cls(knots, rising)
        own = _steps(np.append(x[told], x[told].max()), np.append(holds[told], 0.0)).edges()
        both = np.union1d(knots, own[0])
        return cls(both, np.interp(both, knots, rising), np.interp(both, *own))

    def apply(self, scores: Scores) -> Scores:
        """Calibrated scores; abstentions stay what they are, and so do claims where the scores
        bring their own."""
        value = np.where(
            scores.valid, np.interp(scores.value, self.scores, self.progress), 0
        ).astype(np.float32)
        claims = scores.success
        if claims is None and self.success is not None:
            claims = np.where(
                scores.valid, np.interp(scores.value, self.scores, self.success), 0
            ).astype(np.float32)
        return Scores(value, scores.valid, claims)

    def state_dict(self) -> dict[str, list[float] | None]:
        """What JSON holds."""
        success = None if self.success is None else self.success.tolist()
        return {
            "scores": self.scores.tolist(),
            "progress": self.progress.tolist(),
            "success": success,
        }

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Sequence[float] | None] | Any) -> Calibration:
        """Take over `state_dict`."""
        success = state.get("success")
        return cls(
            np.array(state["scores"], np.float64),
            np.array(state["progress"], np.float64),
            None if success is None else np.array(success, np.float64),
        )


def fit_calibration(objective: Objective, validation: Sequence[Example]) -> Calibration | None:
    """Fit to what an objective says of validation; None where that has too few labelled frames, or
    the objective only orders finished episodes.
    """
    if not validation or not objective.spec.causal:
        return None
    own = (
        objective.spec.needs_goal_image
    )  # what can do without is never shown an episode's own end as its goal
    queries = [
        Query(
            features=e.features,
            instruction=e.instruction,
            text_embedding=e.text_embedding,
            goal_image=e.goal_embedding if own else None,
        )
        for e in validation
    ]
    scores, _ = objective.score_step(queries)
    value = np.concatenate([np.where(score.valid, score.value, np.nan) for score in scores])
    labels = np.concatenate([progress_labels(example) for example in validation])
    if np.isfinite(value + labels).sum() < ENOUGH:
        return None
    success = np.concatenate(
        [success_labels(example, success_threshold=1.0) for example in validation]
    )
    return Calibration.fit(value, labels, success)


@dataclass(frozen=True, slots=True)
class _Steps:
    """The steps of a rising function, all of shape (S,): their first, middle and last score, and
    their height."""

    first: NDArray[np.float64]
    middle: NDArray[np.float64]
    last: NDArray[np.float64]
    height: NDArray[np.float64]

    def edges(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Knots at both ends of each step, one where they are the same, and values."""
        knots, at = np.unique(np.stack([self.first, self.last], axis=1), return_index=True)
        return knots, self.height.repeat(2)[at]


def _steps(x: NDArray[np.float64], y: NDArray[np.float64]) -> _Steps:
    """The isotonic regression of labels in [0, 1]."""
    values, which, counts = np.unique(x, return_inverse=True, return_counts=True)
    means = np.bincount(which, y) / counts
    fitted = cast(Any, isotonic_regression)(
        means, weights=counts
    )  # its annotations leave the result open
    starts, ends = fitted.blocks[:-1], fitted.blocks[1:]
    middles = np.add.reduceat(counts * values, starts) / np.add.reduceat(counts, starts)
    return _Steps(values[starts], middles, values[ends - 1], np.clip(fitted.x[starts], 0.0, 1.0))


def _rising(
    x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Knots and values in [0, 1] of a function near to labels that rises from the first score to
    the last."""
    steps = _steps(x, y)
    middles, heights = steps.middle, steps.height
    if len(heights) == 1:
        return middles, heights
    ends = np.array([x.min(), x.max()])
    slopes = np.diff(heights)[[0, -1]] / np.diff(middles)[[0, -1]]
    beyond = np.clip(heights[[0, -1]] + slopes * (ends - middles[[0, -1]]), 0.0, 1.0)
    knots, at = np.unique(np.concatenate([ends, middles]), return_index=True)
    return knots, np.concatenate([beyond, heights])[at]
