"""Calibration rises, stays in its range, and is slow to say that something is done."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roborew.critics.calibration import MIN_LABELED_FRAMES, Calibration
from roborew.errors import InvalidInputError
from roborew.types import Scores


def scores(values: list[float], success: list[float] | None = None) -> Scores:
    claims = None if success is None else np.array(success, np.float32)
    return Scores(np.array(values, np.float32), np.ones(len(values), np.bool_), claims)


def world(seed: int, frames: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores on another scale than progress, some of them in the wrong order."""
    rng = np.random.default_rng(seed)
    progress = rng.uniform(0, 1, frames)
    return (
        10 * progress**2 - 3 + rng.normal(0, 0.3, frames),
        progress,
        (progress > 0.8).astype(float),
    )


@given(st.integers(0, 200), st.lists(st.floats(-20, 20), min_size=2, max_size=8))
def test_it_never_falls_and_stays_in_range(seed: int, asked: list[float]) -> None:
    found = Calibration.fit(*world(seed)).apply(scores(sorted(asked)))
    assert found.success is not None
    for curve in (found.value, found.success):
        assert (np.diff(curve) >= -1e-6).all() and curve.min() >= 0 and curve.max() <= 1


@given(st.integers(0, 200))
def test_of_two_scores_the_better_one_is_worth_more(seed: int) -> None:
    values, progress, _ = world(seed)
    asked = np.linspace(values.min(), values.max(), 50)
    found = Calibration.fit(values, progress).apply(scores(asked.tolist())).value
    between = (found > 0) & (found < 1)
    assert between.sum() > 20 and (np.diff(found[between]) > 0).all()


def test_it_is_nearer_to_progress_than_the_scores_were() -> None:
    values, progress, _ = world(1)
    found = Calibration.fit(values, progress).apply(scores(values.tolist()))
    assert np.abs(found.value - progress).mean() < 0.1
    assert found.success is None


@pytest.mark.parametrize(("successes", "claims"), [(8, False), (9, True)])
def test_nine_frames_of_success_and_no_failure_are_needed_to_claim(
    successes: int, claims: bool
) -> None:
    values = [0.0] * 20 + [1.0] * successes
    holds = [0.0] * 20 + [1.0] * successes
    found = Calibration.fit(values, values, holds).apply(scores([0.0, 1.0])).success
    assert found is not None
    assert (found[1] >= 0.9 - 1e-6) == claims and found[0] == 0


def test_where_only_successes_or_only_failures_were_seen_nothing_is_claimed() -> None:
    values = np.linspace(0, 1, MIN_LABELED_FRAMES)
    for holds in (
        np.zeros(MIN_LABELED_FRAMES),
        np.ones(MIN_LABELED_FRAMES),
        np.full(MIN_LABELED_FRAMES, np.nan),
    ):
        assert Calibration.fit(values, values, holds).success is None


def test_own_claims_and_abstentions_stay() -> None:
    calibration = Calibration.fit(*world(2))
    own = calibration.apply(scores([0.0, 9.0], [0.25, 0.5])).success
    np.testing.assert_array_equal(own, np.array([0.25, 0.5], np.float32))
    found = calibration.apply(Scores(np.array([0.0, 9.0], np.float32), np.array([True, False])))
    assert found.valid.tolist() == [True, False]


def test_frames_that_nobody_scored_or_labelled_are_left_out() -> None:
    values, progress, holds = world(3)
    more = [
        np.append(each, extra)
        for each, extra in ((values, [np.nan, 5]), (progress, [1, np.nan]), (holds, [1, np.nan]))
    ]
    assert (
        Calibration.fit(*more).state_dict() == Calibration.fit(values, progress, holds).state_dict()
    )


@pytest.mark.parametrize("with_success", [True, False])
def test_it_comes_back_from_json(with_success: bool) -> None:
    values, progress, holds = world(4)
    made = Calibration.fit(values, progress, holds if with_success else None)
    again = Calibration.from_state_dict(json.loads(json.dumps(made.state_dict())))
    one, other = made.apply(scores([0.1, 2.0])), again.apply(scores([0.1, 2.0]))
    np.testing.assert_array_equal(one.value, other.value)
    assert (one.success is None) == (other.success is None) == (not with_success)


def test_too_few_labels_are_refused() -> None:
    with pytest.raises(InvalidInputError, match=f"at least {MIN_LABELED_FRAMES}"):
        Calibration.fit(np.arange(5), np.arange(5) / 5)


@given(st.integers(0, 200), st.floats(0.0, 0.97))
def test_scores_that_only_failures_had_are_no_success_however_many_successes_lie_above(
    seed: int, best: float
) -> None:
    """Between the best failure and the worst success nothing is known: the chance rises there, and
    nowhere below."""
    failures = np.append(np.random.default_rng(seed).uniform(0, best, 30), best)
    values, holds = np.append(failures, np.full(100, 0.99)), np.append(np.zeros(31), np.ones(100))
    found = Calibration.fit(values, values, holds)
    below = found.apply(scores(failures.tolist())).success
    above = found.apply(scores([best + 0.5 * (0.99 - best), 0.99])).success
    assert below is not None and below.max() < 1e-4
    assert above is not None and 0.4 < above[0] < 0.6 and above[1] > 0.9
