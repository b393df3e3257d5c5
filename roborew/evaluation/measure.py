"""What a metric returns: a number or an explicit "not applicable", never a silent NaN."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from roborew.errors import InvalidInputError
from roborew.types import Scores

CONSTANT = "constant"
TOO_FEW = "too few valid points"


@dataclass(frozen=True, slots=True)
class Measure:
    """One measured number and what has to be said beside it.

    Attributes:
        value: the number, or None where the metric is not applicable (missing, which is not 0).
        flag: "" or the reason for care: "constant" (a flat curve scores 0), "too few valid points".
        failed: how many entries were NaN or infinite; they are left out of the value, never
            imputed.
    """

    value: float | None
    flag: str = ""
    failed: int = 0


def average(measures: Iterable[Measure]) -> Measure:
    """Mean of the applicable values; `failed` counts the measures that were not applicable.

    >>> average([Measure(1.0), Measure(0.0, CONSTANT), Measure(None, TOO_FEW)])
    Measure(value=0.5, flag='constant', failed=1)
    """
    # A list, as the measures may come from a generator and are read three times.
    measures = list(measures)
    values = [measure.value for measure in measures if measure.value is not None]
    failed = len(measures) - len(values)
    if not values:
        return Measure(None, TOO_FEW, failed)
    has_constant = any(measure.flag == CONSTANT for measure in measures)
    flag = CONSTANT if has_constant else ""
    mean = float(np.mean(values))
    return Measure(mean, flag, failed)


def score_curve(scores: Scores) -> NDArray[np.float64]:
    """The scores as a curve, shape (T,), float64, NaN where the model abstained."""
    # NaN, as every metric leaves it out and counts it; 0 would pass for a low score.
    return np.where(scores.valid, scores.value, np.nan).astype(np.float64)


def vector(values: ArrayLike, name: str = "values") -> NDArray[np.float64]:
    """``values`` as float64 of shape (T,), or InvalidInputError."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise InvalidInputError(
            f"{name}: expected one curve of shape (T,); got shape {array.shape}."
        )
    return array


def finite_pairs(
    first: ArrayLike, second: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    """Both curves without the entries where either is NaN or infinite, and how many those were."""
    left = vector(first, "first curve")
    right = vector(second, "second curve")
    if left.shape != right.shape:
        raise InvalidInputError(
            f"curves: expected equal lengths; got {left.size} and {right.size}."
        )
    # Pairs are dropped whole: imputing the missing half would move a rank correlation.
    finite = np.isfinite(left) & np.isfinite(right)
    return left[finite], right[finite], int(left.size - finite.sum())
