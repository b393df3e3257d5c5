"""What is known of success where only progress or only time is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from roborew.checks.synthetic import embedded_episode
from roborew.learning.labels import success_labels


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
