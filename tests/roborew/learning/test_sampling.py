"""Laws of what a critic is shown of a demonstration."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roborew.errors import InvalidInputError
from roborew.learning.sampling import (
    evenly_spaced,
    progress_uniform_weights,
    reverse,
    sample_near_miss,
    sample_pairs,
    sample_rewound,
    sample_segment,
    sample_stratified,
)

LENGTHS = st.integers(2, 60)
SEEDS = st.integers(0, 10_000)


@settings(deadline=None, max_examples=40)
@given(LENGTHS, SEEDS)
def test_a_segment_is_a_piece_of_the_episode_without_gaps(length: int, seed: int) -> None:
    positions = sample_segment(np.random.default_rng(seed), length)
    assert len(positions) >= 2
    assert positions[0] >= 0 and positions[-1] < length
    assert (np.diff(positions) == 1).all()


@settings(deadline=None, max_examples=40)
@given(LENGTHS, st.integers(2, 20))
def test_frames_that_are_spread_keep_both_ends_and_their_order(length: int, count: int) -> None:
    positions = evenly_spaced(np.arange(5, 5 + length), count)
    assert len(positions) == count
    assert positions[0] == 5 and positions[-1] == 4 + length
    assert (np.diff(positions) >= 0).all()


@settings(deadline=None, max_examples=40)
@given(LENGTHS, SEEDS)
def test_reversing_twice_changes_nothing(length: int, seed: int) -> None:
    positions = sample_segment(np.random.default_rng(seed), length)
    np.testing.assert_array_equal(reverse(reverse(positions)), positions)


@settings(deadline=None, max_examples=40)
@given(LENGTHS, SEEDS)
def test_a_rewound_segment_goes_forward_then_back_by_single_frames_and_turns_once(
    length: int, seed: int
) -> None:
    forward = np.arange(7, 7 + length)
    steps = np.diff(sample_rewound(np.random.default_rng(seed), forward))
    np.testing.assert_array_equal(steps[: length - 1], 1)
    assert 1 <= len(steps[length - 1 :]) <= length - 1
    np.testing.assert_array_equal(steps[length - 1 :], -1)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=30), SEEDS)
def test_a_near_miss_ends_near_and_never_gets_there(labels: list[float], seed: int) -> None:
    curve = np.array(labels, np.float32)
    kept = sample_near_miss(np.random.default_rng(seed), curve, curve >= 0.9, 0.5)
    if kept is None:
        reached = np.nonzero(curve >= 0.9)[0]
        assert not (curve[: reached[0] if len(reached) else None] >= 0.5).any()
        return
    np.testing.assert_array_equal(kept, np.arange(len(kept)))
    assert (curve[kept] < 0.9).all() and curve[kept[-1]] >= 0.5


@settings(deadline=None, max_examples=40)
@given(LENGTHS, SEEDS)
def test_pairs_are_of_two_frames_inside_the_episode(length: int, seed: int) -> None:
    first, second = sample_pairs(np.random.default_rng(seed), length, 50)
    assert (first != second).all()
    assert min(first.min(), second.min()) >= 0 and max(first.max(), second.max()) < length


def test_pairs_are_as_often_forwards_as_backwards() -> None:
    first, second = sample_pairs(np.random.default_rng(0), 9, 4000)
    assert 0.46 < (first < second).mean() < 0.54


def test_rare_kinds_are_drawn_as_often_as_common_ones() -> None:
    kinds = ["success"] * 30 + ["failure"] * 3 + [None]
    drawn = sample_stratified(np.random.default_rng(0), kinds, 3000)
    shares = [
        np.mean([kinds[position] == kind for position in drawn])
        for kind in ("success", "failure", None)
    ]
    np.testing.assert_allclose(shares, 1 / 3, atol=0.05)
    assert len(set(drawn.tolist())) == len(kinds)


def test_the_same_generator_draws_the_same() -> None:
    for draw in (
        lambda rng: sample_segment(rng, 9),
        lambda rng: sample_rewound(rng, np.arange(9)),
        lambda rng: sample_pairs(rng, 9, 4),
    ):
        np.testing.assert_array_equal(
            draw(np.random.default_rng(3)), draw(np.random.default_rng(3))
        )


def test_one_frame_is_too_few_and_nothing_cannot_be_drawn_from() -> None:
    rng = np.random.default_rng(0)
    for call in (
        lambda: sample_segment(rng, 1),
        lambda: sample_pairs(rng, 1, 2),
        lambda: sample_stratified(rng, [], 3),
    ):
        with pytest.raises(InvalidInputError, match="expected .* got"):
            call()


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.one_of(st.just(float("nan")), st.floats(0, 1, width=32)), min_size=1, max_size=40)
)
def test_chances_by_progress_are_shares_and_frames_without_labels_have_those_of_time(
    labels: list[float],
) -> None:
    curve = np.array(labels, np.float32)
    chances = progress_uniform_weights(curve)
    assert chances.min() > 0
    assert chances.sum() == pytest.approx(1)
    np.testing.assert_allclose(chances[np.isnan(curve)], 1 / len(curve))


@settings(deadline=None, max_examples=40)
@given(st.integers(2, 30), st.integers(1, 200))
def test_however_long_an_episode_rests_its_rest_is_one_place_of_many(
    places: int, rest: int
) -> None:
    way = np.linspace(0, 1, places, dtype=np.float32)
    chances = progress_uniform_weights(np.append(way, np.full(rest, way[-1])))
    np.testing.assert_allclose(chances[: places - 1], 1 / places)
    assert chances[places - 1 :].sum() == pytest.approx(1 / places)
