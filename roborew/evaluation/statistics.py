"""How sure is a number? Intervals for rates, robust means over runs, and comparisons of two
methods.

Sources: Wilson 1927; Agarwal et al., "Deep RL at the edge of the statistical precipice",
arXiv:2108.13264.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from roborew.errors import InvalidInputError
from roborew.evaluation.measure import vector
from roborew.evaluation.success import auroc

# The 97.5 % quantile of the standard normal: 2.5 % lie beyond it on each side.
Z_95 = 1.959964


@dataclass(frozen=True, slots=True)
class Interval:
    """A closed interval, ``low <= high``."""

    low: float
    high: float


def wilson(successes: int, trials: int, z: float = Z_95) -> Interval:
    """Wilson's score interval for a rate, inside [0, 1] and around ``successes / trials``; 95 % by
    default.

    >>> interval = wilson(97, 100)
    >>> round(interval.low, 6), round(interval.high, 6)
    (0.915481, 0.989745)

    Raises:
        InvalidInputError: no trial, or successes outside 0..trials.
    """
    if trials < 1 or not 0 <= successes <= trials:
        raise InvalidInputError(
            f"wilson: expected trials >= 1 and successes in 0..trials; got {successes} of {trials}."
        )
    rate = successes / trials
    shrink = 1 + z**2 / trials
    center = (rate + z**2 / (2 * trials)) / shrink
    variance = rate * (1 - rate) / trials + z**2 / (4 * trials**2)
    half_width = z * math.sqrt(variance) / shrink
    # The ends are exact at 0 and n; rounding must not push the rate itself out of its interval.
    low = 0.0 if successes == 0 else center - half_width
    high = 1.0 if successes == trials else center + half_width
    return Interval(low, high)


def zero_failures_bound(trials: int, error: float = 0.05) -> float:
    """Upper bound of a failure rate after ``trials`` without one, ``1 - error^(1/trials)``: the
    exact rule of three.

    >>> round(zero_failures_bound(100), 6)
    0.029513
    """
    if trials < 1 or not 0 < error < 1:
        raise InvalidInputError(
            f"zero_failures_bound: expected trials >= 1 and error in (0, 1); got {trials}, {error}."
        )
    # No failure in n trials has probability (1 - p)^n: at this p it equals the error.
    return 1 - error ** (1 / trials)


def mean_interval(values: ArrayLike, z: float = Z_95) -> Interval:
    """Normal interval of a mean, 95 % by default; without bounds where there is one value.

    >>> interval = mean_interval([1.0, 2.0, 3.0])
    >>> round(interval.low, 3), round(interval.high, 3)
    (0.868, 3.132)
    """
    curve = _complete(values)
    if curve.size < 2:
        return Interval(-math.inf, math.inf)
    half_width = z * float(curve.std(ddof=1)) / math.sqrt(curve.size)
    mean = float(curve.mean())
    return Interval(mean - half_width, mean + half_width)


def interquartile_mean(values: ArrayLike) -> float:
    """IQM: the mean without the floor(.25 n) smallest and largest values.

    >>> interquartile_mean(range(8))
    3.5
    """
    ordered = np.sort(_complete(values))
    # Rounded down, so that a few runs still leave something to average.
    cut = ordered.size // 4
    return float(ordered[cut : ordered.size - cut].mean())


def stratified_bootstrap(
    runs_by_task: Sequence[ArrayLike],
    rng: np.random.Generator,
    statistic: Callable[[NDArray[np.float64]], float] = interquartile_mean,
    resamples: int = 2000,
    confidence: float = 0.95,
) -> Interval:
    """Percentile interval of a statistic over runs x tasks; runs are resampled within each task.

    Args:
        runs_by_task: one curve of run scores per task (the strata), lengths may differ.
        rng: the only source of randomness.
        statistic: maps the scores of all runs and tasks, shape (n,), to one number.
    """
    tasks = [_complete(runs) for runs in runs_by_task]
    if not tasks or resamples < 1 or not 0 < confidence < 1:
        raise InvalidInputError(
            f"stratified_bootstrap: expected tasks, resamples >= 1 and confidence in (0, 1); "
            f"got {len(tasks)} tasks, {resamples}, {confidence}."
        )
    statistics: list[float] = []
    for _ in range(resamples):
        # Runs are exchangeable within a task only: a resample of all runs would mix easy and hard.
        resample = np.concatenate([rng.choice(runs, runs.size) for runs in tasks])
        statistics.append(statistic(resample))
    # Half of the error on each side: the percentile interval is two-sided.
    tail = (1 - confidence) / 2
    low, high = np.quantile(statistics, [tail, (1 + confidence) / 2])
    return Interval(float(low), float(high))


def probability_of_improvement(
    ours_by_task: Sequence[ArrayLike], theirs_by_task: Sequence[ArrayLike]
) -> float:
    """Mean over tasks of P(X > Y) + P(X = Y)/2 for a run X of ours and a run Y of theirs, in [0,
    1].

    >>> round(probability_of_improvement([[0.9, 0.8, 0.7]], [[0.6, 0.8, 0.5]]), 6)
    0.833333
    """
    if len(ours_by_task) != len(theirs_by_task) or not len(ours_by_task):
        raise InvalidInputError(
            f"probability_of_improvement: expected the same tasks twice; "
            f"got {len(ours_by_task)} and {len(theirs_by_task)}."
        )
    # The AUROC of two samples is the probability that one exceeds the other, ties counting half.
    wins = [
        auroc(_complete(ours), _complete(theirs)).value
        for ours, theirs in zip(ours_by_task, theirs_by_task, strict=True)
    ]
    return float(np.mean([win for win in wins if win is not None]))


def _complete(values: ArrayLike) -> NDArray[np.float64]:
    """The values, which must be there and finite: a failed run is reported, not averaged over."""
    curve = vector(values)
    if not curve.size or not np.isfinite(curve).all():
        raise InvalidInputError(
            "statistics: expected at least one value, all finite; got none, NaN or infinite ones."
        )
    return curve
