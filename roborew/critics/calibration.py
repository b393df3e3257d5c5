"""From scores to calibrated progress and chances of success: the best rising functions, found on
validation only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from roborew.critics.objective import Objective, Query
from roborew.errors import InvalidInputError
from roborew.learning.examples import Example
from roborew.learning.labels import progress_labels, success_labels
from roborew.types import Scores

MIN_LABELED_FRAMES = 20
"""Labeled frames below which nothing is calibrated."""


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
            InvalidInputError: fewer than `MIN_LABELED_FRAMES` frames with score and progress.
        """
        x = np.asarray(scores, np.float64)
        y = np.asarray(progress, np.float64)
        is_labeled = np.isfinite(x) & np.isfinite(y)
        if is_labeled.sum() < MIN_LABELED_FRAMES:
            raise InvalidInputError(
                f"calibration: expected at least {MIN_LABELED_FRAMES} labeled frames; got "
                f"{is_labeled.sum()}."
            )
        knots, values = _rising(x[is_labeled], y[is_labeled])
        if success is None:
            return cls(knots, values)
        chances = _fit_chances(x, np.asarray(success, np.float64))
        if chances is None:
            return cls(knots, values)
        edges, probabilities = chances.edges()
        all_knots = np.union1d(knots, edges)
        return cls(
            all_knots,
            np.interp(all_knots, knots, values),
            np.interp(all_knots, edges, probabilities),
        )

    def apply(self, scores: Scores) -> Scores:
        """Calibrated scores; abstentions stay what they are, and so do claims where the scores
        bring their own."""
        raw = scores.value
        valid = scores.valid
        progress = np.interp(raw, self.scores, self.progress)
        value = np.where(valid, progress, 0).astype(np.float32)
        if scores.success is not None or self.success is None:
            return Scores(value, valid, scores.success)
        chances = np.interp(raw, self.scores, self.success)
        success = np.where(valid, chances, 0).astype(np.float32)
        return Scores(value, valid, success)

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
    """Fit to what an objective says of validation; None where that has too few labeled frames, or
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
    if np.isfinite(value + labels).sum() < MIN_LABELED_FRAMES:
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


def _fit_chances(x: NDArray[np.float64], holds: NDArray[np.float64]) -> _Steps | None:
    """The chance of success by score; None where only successes or only failures are known."""
    is_decided = np.isfinite(x) & np.isfinite(holds)
    scores = x[is_decided]
    outcomes = holds[is_decided]
    if not 0 < outcomes.sum() < len(outcomes):
        return None
    # One imagined failure at the best score: a handful of successes there proves little.
    return _steps(np.append(scores, scores.max()), np.append(outcomes, 0.0))


def _steps(x: NDArray[np.float64], y: NDArray[np.float64]) -> _Steps:
    """The isotonic regression of labels in [0, 1]."""
    # Imported here: it takes a second, for which every command would wait.
    from scipy.optimize import isotonic_regression

    values, group, counts = np.unique(x, return_inverse=True, return_counts=True)
    means = np.bincount(group, y) / counts
    # Its annotations leave the result open.
    fitted = cast(Any, isotonic_regression)(means, weights=counts)
    starts = fitted.blocks[:-1]
    stops = fitted.blocks[1:]
    weighted_sums = np.add.reduceat(counts * values, starts)
    weights = np.add.reduceat(counts, starts)
    middles = weighted_sums / weights
    heights = np.clip(fitted.x[starts], 0.0, 1.0)
    first_values = values[starts]
    last_values = values[stops - 1]
    return _Steps(first_values, middles, last_values, heights)


def _rising(
    x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Knots and values in [0, 1] of a function near to labels that rises from the first score to
    the last."""
    steps = _steps(x, y)
    middles = steps.middle
    heights = steps.height
    if len(heights) == 1:
        return middles, heights
    # Beyond the outermost middles the curve goes on as it ends there, up to the last scores.
    outermost = [0, -1]
    slopes = np.diff(heights)[outermost] / np.diff(middles)[outermost]
    ends = np.array([x.min(), x.max()])
    beyond = heights[outermost] + slopes * (ends - middles[outermost])
    knots, first = np.unique(np.concatenate([ends, middles]), return_index=True)
    values = np.concatenate([np.clip(beyond, 0.0, 1.0), heights])
    return knots, values[first]
