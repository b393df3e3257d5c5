"""Does a value curve rise as the task proceeds? Correlations with time, with true progress, and
simple shape numbers.

A score that only counts time (t/T) reaches VOC 1, so VOC alone is no evidence: Cycle-VOC and the
sanity baselines (`roborew.evaluation.baselines`) stand beside it.

Rules for all: ties get average ranks; a constant curve scores 0 with the
flag "constant"; NaN and infinite entries are left out and counted; fewer than two valid points is
not applicable.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from roborew.errors import InvalidInputError
from roborew.evaluation.measure import CONSTANT, TOO_FEW, Measure, average, finite_pairs, vector


def average_ranks(values: ArrayLike) -> NDArray[np.float64]:
    """Ranks from 1, equal values sharing the mean of their ranks; shape (T,).

    >>> average_ranks([0.3, 0.1, 0.3]).tolist()
    [2.5, 1.0, 2.5]
    """
    curve = vector(values)
    _, inverse, counts = np.unique(curve, return_inverse=True, return_counts=True)
    last_rank = np.cumsum(counts)
    # c equal values have the ranks last - c + 1 to last, whose mean is this.
    mean_rank = last_rank - (counts - 1) / 2
    return mean_rank[inverse].astype(np.float64)


def pearson(values: ArrayLike, target: ArrayLike) -> Measure:
    """Pearson correlation of two curves of shape (T,), in [-1, 1]."""
    x, y, failed = finite_pairs(values, target)
    return _correlation(x, y, failed)


def spearman(values: ArrayLike, target: ArrayLike) -> Measure:
    """Spearman rank correlation of two curves of shape (T,), in [-1, 1]; with true progress as
    target it is what reports call Spearman (per episode).

    >>> round(spearman([0.1, 0.3, 0.3, 0.8, 0.7], [0, 0, 1, 1, 2]).value, 6)
    0.702959
    """
    x, y, failed = finite_pairs(values, target)
    return _correlation(average_ranks(x), average_ranks(y), failed)


def voc(values: ArrayLike) -> Measure:
    """Value-order correlation: Spearman of the values with time, on a successful trajectory.

    The values themselves are ranked. GVL (arXiv:2411.04549) writes Spearman(argsort(values), time),
    which gives a constant curve 1 and falls back on chronological order at ties.

    >>> voc([0.5, 0.5, 0.5])
    Measure(value=0.0, flag='constant', failed=0)
    """
    return spearman(values, np.arange(vector(values).size))


def voc_pearson(values: ArrayLike) -> Measure:
    """Pearson of the values with time, which Robometer calls VOC; never in one column with
    `voc`."""
    return pearson(values, np.arange(vector(values).size))


def cycle_voc(values: ArrayLike) -> Measure:
    """Mean of the order correlations of a clip played forward and then back to its start.

    Args:
        values: shape (2K+1,), scores of frames 0..K..0 as one timeline that shares the turn, so
            that the falling half was scored with the forward history. A model that counts elapsed
            time fails it.

    Raises:
        InvalidInputError: an even number of values, which has no shared turn.
    """
    curve = vector(values)
    if curve.size % 2 == 0:
        raise InvalidInputError(
            f"cycle_voc: expected 2K+1 values that share the turn; got {curve.size}. Give the "
            f"turning frame once."
        )
    turn = curve.size // 2
    rising = voc(curve[: turn + 1])
    # Against time that runs backwards: on the way back a sound score falls.
    falling = spearman(curve[turn:], -np.arange(turn + 1))
    failed = int((~np.isfinite(curve)).sum())
    if rising.value is None or falling.value is None:
        return Measure(None, TOO_FEW, failed)
    mean = average([rising, falling])
    return Measure(mean.value, mean.flag, failed)


def kendall_tau_a(gold: ArrayLike, predicted: ArrayLike) -> Measure:
    """Kendall's tau-a, (C - D) / (n(n-1)/2): ties count 0 above and in full below.

    >>> kendall_tau_a([0, 0, 1, 1, 2], [0.1, 0.3, 0.3, 0.8, 0.7]).value
    0.5
    """
    x, y, failed = finite_pairs(gold, predicted)
    if x.size < 2:
        return Measure(None, TOO_FEW, failed)
    x_order = np.sign(x[:, None] - x)
    y_order = np.sign(y[:, None] - y)
    concordance = (x_order * y_order).sum()  # every pair twice, as every ordered pair below
    ordered_pairs = x.size * (x.size - 1)
    tau = float(concordance / ordered_pairs)
    flag = _constant_flag(x, y)
    return Measure(tau, flag, failed)


def monotone_violation_rate(values: ArrayLike) -> Measure:
    """NR: the share of falling steps among all differences of neighbouring valid values, in [0,
    1]."""
    steps, failed = _differences(values)
    if not steps.size:
        return Measure(None, TOO_FEW, failed)
    return Measure(float((steps < 0).mean()), "", failed)


def total_variation_ratio(values: ArrayLike) -> Measure:
    """TV ratio: net change over total variation, |v_T - v_0| / sum |dv|, in [0, 1]; 1 for a
    monotone curve."""
    steps, failed = _differences(values)
    if not steps.size:
        return Measure(None, TOO_FEW, failed)
    variation = float(np.abs(steps).sum())
    if variation == 0:
        return Measure(0.0, CONSTANT, failed)
    net_change = float(abs(steps.sum()))
    # Rounding may put the sum of the steps above the sum of their sizes.
    return Measure(min(1.0, net_change / variation), "", failed)


def _differences(values: ArrayLike) -> tuple[NDArray[np.float64], int]:
    curve = vector(values)
    valid = curve[np.isfinite(curve)]
    return np.diff(valid), curve.size - valid.size


def _constant_flag(x: NDArray[np.float64], y: NDArray[np.float64]) -> str:
    return CONSTANT if np.ptp(x) == 0 or np.ptp(y) == 0 else ""


def _correlation(x: NDArray[np.float64], y: NDArray[np.float64], failed: int) -> Measure:
    if x.size < 2:
        return Measure(None, TOO_FEW, failed)
    if _constant_flag(x, y):
        return Measure(0.0, CONSTANT, failed)
    # Scaled first: the products of tiny or huge values would under- or overflow.
    x = (x - x.mean()) / np.ptp(x)
    y = (y - y.mean()) / np.ptp(y)
    norm = np.sqrt((x @ x) * (y @ y))
    rho = float((x @ y) / norm)
    # Rounding may leave the correlation a little outside [-1, 1].
    return Measure(min(1.0, max(-1.0, rho)), "", failed)
