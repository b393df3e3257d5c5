"""Intervals and comparisons: golden values and laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roborew.errors import InvalidInputError
from roborew.evaluation import (
    interquartile_mean,
    probability_of_improvement,
    stratified_bootstrap,
    wilson,
    zero_failures_bound,
)


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        (0, 20, 0, 0.161125),
        (18, 20, 0.698966, 0.972134),
        (50, 100, 0.403832, 0.596168),
        (97, 100, 0.915481, 0.989745),
    ],
)
def test_wilson_returns_the_golden_intervals(
    successes: int, trials: int, low: float, high: float
) -> None:
    interval = wilson(successes, trials)
    assert (interval.low, interval.high) == (
        pytest.approx(low, abs=1e-6),
        pytest.approx(high, abs=1e-6),
    )


counts = st.integers(1, 5000).flatmap(
    lambda trials: st.tuples(st.integers(0, trials), st.just(trials))
)


@given(counts)
def test_wilson_contains_the_rate_and_mirrors_with_it(count: tuple[int, int]) -> None:
    successes, trials = count
    interval, mirrored = wilson(successes, trials), wilson(trials - successes, trials)
    assert 0 <= interval.low <= successes / trials <= interval.high <= 1
    assert (mirrored.low, mirrored.high) == (
        pytest.approx(1 - interval.high),
        pytest.approx(1 - interval.low),
    )


@given(counts)
def test_ten_times_the_trials_narrow_the_interval(count: tuple[int, int]) -> None:
    successes, trials = count
    few, many = wilson(successes, trials), wilson(10 * successes, 10 * trials)
    assert many.high - many.low < few.high - few.low


@pytest.mark.parametrize(("trials", "bound"), [(100, 0.029513), (300, 0.009936), (1000, 0.002991)])
def test_no_failure_in_n_trials_bounds_the_rate(trials: int, bound: float) -> None:
    assert zero_failures_bound(trials) == pytest.approx(bound, abs=1e-6)
    assert (1 - zero_failures_bound(trials)) ** trials == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("values", "expected"),
    [(range(8), 3.5), (range(1, 11), 5.5), ([0, 0, 0, 1, 1, 1, 1, 1, 1, 10], 5 / 6), ([7], 7)],
)
def test_the_interquartile_mean_returns_the_golden_values(values, expected: float) -> None:
    assert interquartile_mean(values) == pytest.approx(expected)


@given(st.lists(st.integers(-9, 9), min_size=4, max_size=40))
def test_one_wild_run_cannot_move_the_interquartile_mean_out_of_the_others(
    values: list[int],
) -> None:
    assert min(values) <= interquartile_mean([*values, 1_000_000]) <= max(values)


def test_the_bootstrap_covers_the_truth_about_as_often_as_it_says() -> None:
    """95 % intervals over 200 data sets of known mean: 88 % to 99 % of them hold it (small samples
    err low)."""
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(200):
        runs = [rng.normal(0.3, 0.1, 12), rng.normal(0.7, 0.1, 12)]
        interval = stratified_bootstrap(
            runs, rng, statistic=lambda draw: float(draw.mean()), resamples=200
        )
        hits += interval.low <= 0.5 <= interval.high
    assert 176 <= hits <= 198


def test_the_bootstrap_keeps_every_task_in_every_draw() -> None:
    """Tasks are strata: between-task spread is no uncertainty, so equal runs per task leave
    none."""
    interval = stratified_bootstrap(
        [[0.0] * 5, [1.0] * 5], np.random.default_rng(0), statistic=lambda x: float(x.mean())
    )
    assert interval.low == interval.high == 0.5


def test_the_bootstrap_repeats_with_its_generator() -> None:
    runs = [np.random.default_rng(1).normal(size=10)]
    first, again, other = (
        stratified_bootstrap(runs, np.random.default_rng(seed)) for seed in (0, 0, 1)
    )
    assert first == again != other


def test_probability_of_improvement_is_golden_and_complementary() -> None:
    ours, theirs = [[0.9, 0.8, 0.7]], [[0.6, 0.8, 0.5]]
    assert probability_of_improvement(ours, theirs) == pytest.approx(0.833333, abs=1e-6)
    assert probability_of_improvement(theirs, ours) == pytest.approx(1 - 0.833333, abs=1e-6)


@pytest.mark.parametrize(
    "mistake",
    [
        lambda: wilson(1, 0),
        lambda: wilson(3, 2),
        lambda: zero_failures_bound(0),
        lambda: interquartile_mean([]),
        lambda: interquartile_mean([np.nan]),
        lambda: stratified_bootstrap([], np.random.default_rng(0)),
        lambda: probability_of_improvement([[1]], []),
    ],
)
def test_statistics_of_nothing_or_of_failed_runs_are_refused(mistake) -> None:
    with pytest.raises(InvalidInputError, match="expected"):
        mistake()
