"""Laws of cutting demonstrations into subtasks."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roborew.critics.dataset.subtasks import optimal_cuts, segment_jointly, segment_recursively
from roborew.errors import InvalidInputError


def blocks(lengths: list[int], seed: int = 0, noise: float = 0.05) -> np.ndarray:
    steps = np.repeat(np.eye(len(lengths), dtype=np.float32), lengths, axis=0)
    return steps + noise * np.random.default_rng(seed).standard_normal(steps.shape).astype(
        np.float32
    )


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.integers(1, 4), st.integers(4, 9))
def test_cuts_cost_no_more_than_any_other_cuts(seed: int, parts: int, length: int) -> None:
    costs = np.random.default_rng(seed).random((length, parts))

    def total(cuts: tuple[int, ...]) -> float:
        bounds = (0, *cuts, length)
        return sum(costs[bounds[part] : bounds[part + 1], part].sum() for part in range(parts))

    best = min(total(cuts) for cuts in combinations(range(1, length), parts - 1))
    found = optimal_cuts(costs)
    assert found[0] == 0 and found[-1] == length and (np.diff(found) >= 1).all()
    assert total(tuple(found[1:-1].tolist())) == pytest.approx(best)


def test_episodes_that_take_their_time_differently_are_cut_where_the_subtask_changes() -> None:
    lengths = [[3, 9, 4], [8, 2, 6], [5, 5, 5]]
    found = segment_jointly([blocks(each, seed) for seed, each in enumerate(lengths)], 3)
    for cuts, each in zip(found, lengths, strict=True):
        np.testing.assert_array_equal(cuts, [0, *np.cumsum(each)])


def test_an_episode_is_cut_again_and_again_where_it_changes_most() -> None:
    np.testing.assert_array_equal(segment_recursively(blocks([4, 7, 3, 5]), 4), [0, 4, 11, 14, 19])


@settings(deadline=None, max_examples=20)
@given(st.integers(2, 12), st.integers(1, 6), st.integers(0, 100))
def test_recursive_parts_are_never_shorter_than_asked(length: int, parts: int, seed: int) -> None:
    frames = np.random.default_rng(seed).random((length, 3)).astype(np.float32)
    cuts = segment_recursively(frames, parts, min_length=2)
    assert cuts[0] == 0 and cuts[-1] == length and len(cuts) - 1 <= parts
    assert (np.diff(cuts) >= 2).all()


def test_episodes_of_fewer_frames_than_parts_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="at least 3 frames"):
        segment_jointly([blocks([1, 1])], 3)
