"""Does a score tell success from failure, and does its stated probability mean what it says?"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from roborew.errors import InvalidInputError
from roborew.evaluation.measure import (
    CONSTANT,
    TOO_FEW,
    Measure,
    average,
    finite_pairs,
    vector,
)

EDGE_SHARE = 0.02
"""Share of a clip whose mean is its first or last value (the edge rule of RoboValue)."""


def terminal_value(values: ArrayLike) -> Measure:
    """Mean of the last max(1, ceil(.02 T)) values; the invalid ones among them are left out and
    counted."""
    return _edge(vector(values)[-_edge_width(values) :])


def initial_value(values: ArrayLike) -> Measure:
    """Mean of the first max(1, ceil(.02 T)) values, as `terminal_value`."""
    return _edge(vector(values)[: _edge_width(values)])


def rise(values: ArrayLike) -> Measure:
    """How far up a curve gets: its highest value minus its `initial_value`.

    The highest, not the last one: an agent stays where it is paid best.
    """
    first = initial_value(values)
    finite, failed = _finite(vector(values), "values")
    if first.value is None:
        return Measure(None, TOO_FEW, failed)
    return Measure(float(finite.max()) - first.value, "", failed)


def rise_share(rises: Iterable[Measure], full_rises: Iterable[Measure]) -> Measure:
    """Mean of some curves' rises as a share of the mean of others', those of successes.

    Missing where either has no curve, and flagged "constant" where the others do not rise.

    >>> rise_share([Measure(0.25), Measure(0.0)], [Measure(0.5)])
    Measure(value=0.25, flag='', failed=0)
    """
    part = average(rises)
    full = average(full_rises)
    failed = part.failed + full.failed
    if part.value is None or full.value is None:
        return Measure(None, TOO_FEW, failed)
    if full.value <= 0:
        return Measure(None, CONSTANT, failed)
    return Measure(part.value / full.value, "", failed)


def auroc(success_scores: ArrayLike, failure_scores: ArrayLike) -> Measure:
    """P(a success scores above a failure) + P(equal)/2, in [0, 1]; .5 says nothing.

    >>> round(auroc([0.9, 0.6], [0.6, 0.2]).value, 6)
    0.875
    """
    above, ties, failed = _pair_shares(success_scores, failure_scores)
    if above is None:
        return Measure(None, TOO_FEW, failed)
    return Measure(above + ties / 2, "", failed)


def strict_success_accuracy(success_scores: ArrayLike, failure_scores: ArrayLike) -> Measure:
    """SA: P(a success scores strictly above a failure), within one task; a tie counts 0.

    >>> strict_success_accuracy([0.9, 0.6], [0.6, 0.2]).value
    0.75
    """
    above, _, failed = _pair_shares(success_scores, failure_scores)
    return Measure(above, TOO_FEW if above is None else "", failed)


def false_success_rate(predicted: ArrayLike, success: ArrayLike) -> Measure:
    """Share of all entries (episodes or states) with a predicted success that is none in truth.

    >>> false_success_rate([True, True, False, False], [True, False, False, True]).value
    0.25
    """
    predicted_success = np.asarray(predicted, dtype=np.bool_)
    true_success = np.asarray(success, dtype=np.bool_)
    if predicted_success.shape != true_success.shape:
        raise InvalidInputError(
            f"false_success_rate: expected equal shapes; got {predicted_success.shape} and "
            f"{true_success.shape}."
        )
    if not predicted_success.size:
        return Measure(None, TOO_FEW)
    # Over all entries, not over the predictions: a model that predicts once and errs is not at 1.
    return Measure(float((predicted_success & ~true_success).mean()))


def brier(probabilities: ArrayLike, outcomes: ArrayLike) -> Measure:
    """Mean squared difference of success probability and outcome, in [0, 1], lower is better."""
    p, y, failed = _probabilities_and_outcomes(probabilities, outcomes)
    if not p.size:
        return Measure(None, TOO_FEW, failed)
    return Measure(float(np.mean((p - y) ** 2)), "", failed)


def expected_calibration_error(
    probabilities: ArrayLike, outcomes: ArrayLike, bins: int = 10
) -> Measure:
    """ECE over equal-width bins: the bins' |mean probability - share of successes|, weighted by
    their counts."""
    p, y, failed = _probabilities_and_outcomes(probabilities, outcomes)
    if bins < 1:
        raise InvalidInputError(f"expected_calibration_error: expected bins >= 1; got {bins}.")
    if not p.size:
        return Measure(None, TOO_FEW, failed)
    # A probability of exactly 1 belongs to the last bin, not to one beyond it.
    index = np.minimum((p * bins).astype(np.int64), bins - 1)
    # |sum p - sum y| is count * |mean p - mean y|, so that empty bins need no case of their own.
    gaps = np.abs(np.bincount(index, p - y, minlength=bins))
    return Measure(float(gaps.sum() / p.size), "", failed)


def _edge_width(values: ArrayLike) -> int:
    return max(1, math.ceil(EDGE_SHARE * vector(values).size))


def _edge(values: NDArray[np.float64]) -> Measure:
    valid, failed = _finite(values, "values")
    if not valid.size:
        return Measure(None, TOO_FEW, failed)
    return Measure(float(valid.mean()), "", failed)


def _pair_shares(successes: ArrayLike, failures: ArrayLike) -> tuple[float | None, float, int]:
    """Share of (success, failure) pairs won and tied (None where there is no pair), and the invalid
    entries."""
    good, good_failed = _finite(successes, "success scores")
    bad, bad_failed = _finite(failures, "failure scores")
    failed = good_failed + bad_failed
    pairs = good.size * bad.size
    if not pairs:
        return None, 0.0, failed
    # Ranks in the sorted failures count all pairs at once, in n log n instead of n squared.
    bad.sort()
    below = float(np.searchsorted(bad, good, "left").sum())
    not_above = float(np.searchsorted(bad, good, "right").sum())
    ties = not_above - below
    return below / pairs, ties / pairs, failed


def _finite(values: ArrayLike, name: str) -> tuple[NDArray[np.float64], int]:
    """The finite entries, as a copy, and the number of the others."""
    scores = vector(values, name)
    finite = scores[np.isfinite(scores)]
    return finite, scores.size - finite.size


def _probabilities_and_outcomes(
    probabilities: ArrayLike, outcomes: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    p, y, failed = finite_pairs(probabilities, outcomes)
    if ((p < 0) | (p > 1)).any():
        raise InvalidInputError(
            f"probabilities: expected values in [0, 1]; got {p.min():g} to {p.max():g}."
        )
    if not np.isin(y, (0.0, 1.0)).all():
        raise InvalidInputError("outcomes: expected True or False (1 or 0) per entry.")
    return p, y, failed
