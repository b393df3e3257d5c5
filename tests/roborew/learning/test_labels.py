"""What is known of success where only progress or only time is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from roborew.checks.synthetic import embedded_episode
from roborew.learning.labels import hold_success, progress_from_success, success_labels


def test_the_goal_holds_where_labelled_progress_says_so_even_in_an_episode_that_fails() -> None:
    example = replace(
        embedded_episode("failure", 0, 4), progress=np.array([0, 0.96, np.nan, 0.2], np.float32)
    )
    np.testing.assert_array_equal(success_labels(example), np.array([0, 1, np.nan, 0], np.float32))


def test_the_last_frame_of_a_success_is_one_whatever_its_label() -> None:
    example = replace(
        embedded_episode("success", 0, 3), progress=np.array([0, 0.4, 0.8], np.float32)
    )
    np.testing.assert_array_equal(success_labels(example), [0, 0, 1])


def test_of_time_alone_the_second_half_of_a_success_is_unknown_until_it_is_done_and_a_failure_never_is() -> (
    None
):
    told = success_labels(embedded_episode("success", 0, 21, labeled=False))
    np.testing.assert_array_equal(told[:10], 0)
    assert np.isnan(told[10:19]).all()
    assert told[-1] == 1
    np.testing.assert_array_equal(
        success_labels(embedded_episode("failure", 0, 5, labeled=False)), 0
    )


def told(*flags: int) -> np.ndarray:
    return np.array(flags, np.bool_)


def test_told_success_is_what_progress_rises_to_and_a_failure_is_nothing() -> None:
    np.testing.assert_allclose(
        progress_from_success(hold_success(told(0, 0, 0, 0, 1, 1))), [0, 0.25, 0.5, 0.75, 1, 1]
    )
    np.testing.assert_array_equal(progress_from_success(hold_success(told(0, 0, 0))), 0)


def test_what_springs_back_counts_as_held_and_what_is_undone_does_not() -> None:
    springs_back = told(0, 0, 1, 0)
    np.testing.assert_array_equal(hold_success(springs_back, succeeded=True), told(0, 0, 1, 1))
    np.testing.assert_array_equal(hold_success(springs_back), springs_back)
    np.testing.assert_allclose(progress_from_success(springs_back), [0, 0.5, 1, 0])


def test_progress_before_the_goal_depends_on_the_first_success_alone() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        flags = rng.random(12) < 0.2
        first = int(np.argmax(flags))
        later = flags.copy()
        later[first + 1 :] = rng.random(11 - first) < 0.5
        np.testing.assert_array_equal(
            progress_from_success(flags)[: first + 1], progress_from_success(later)[: first + 1]
        )


def test_a_goal_that_is_told_is_the_label_whatever_the_progress_before_it() -> None:
    """The frame just before the goal has a label near 1, and does not show the goal."""
    reached = np.arange(40) >= 30
    example = replace(
        embedded_episode("success", 0, 40),
        progress=progress_from_success(reached),
        reached=reached,
    )
    np.testing.assert_array_equal(success_labels(example), reached)
