"""Grades, stages and the onset of failure are read from the true curve, and from nothing else."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roborew_envs import make_task
from roborew_envs.core.task import FloatArray
from roborew_envs.experts.grading import (
    MIN_PROGRESS_GAIN,
    ExpertPace,
    failure_onset,
    grade_trajectory,
    stage_spans,
)
from roborew_envs.experts.rollout import collect_episodes

PACE = ExpertPace(success_step=10, max_progress_drop=0.05)


def curve(*points: tuple[int, float], length: int = 41) -> FloatArray:
    """Straight lines between (frame, progress), held flat on both sides."""
    frames, heights = zip(*points, strict=True)
    return np.interp(np.arange(length), frames, heights)


def graded(progress: FloatArray, stage: FloatArray | None = None, pace: ExpertPace = PACE) -> str:
    stages = np.zeros(len(progress), np.int64) if stage is None else stage.astype(np.int64)
    return grade_trajectory(progress, progress == 1, stages, pace)


@pytest.mark.parametrize(
    ("progress", "worth"),
    [
        (curve((0, 0.1), (10, 1.0)), "success"),
        (curve((0, 0.1), (12, 1.0)), "success"),
        (
            curve((0, 0.1), (13, 1.0)),
            "suboptimal",
        ),  # 1.25 times the expert's 10 frames have gone by
        (curve((0, 0.1), (4, 0.6), (5, 0.4), (10, 1.0)), "suboptimal"),  # fell back on the way
        (
            curve((0, 0.1), (10, 1.0), (20, 1.0), (21, 0.8), (22, 1.0)),
            "suboptimal",
        ),  # was undone, then mended
        (curve((0, 0.1), (10, 1.0), (20, 0.2)), "partial"),  # undone for good
        (curve((0, 0.2), (10, 0.61)), "partial"),  # half of the way from 0.2 to 1
        (curve((0, 0.2), (10, 0.59)), "failure"),
        (
            curve((0, 0.2), (9, 0.2), (10, 0.7), (14, 0.7), (15, 0.2)),
            "partial",
        ),  # half of the way held for 5 frames
        (curve((0, 0.2), (9, 0.2), (10, 0.7), (13, 0.7), (14, 0.2)), "failure"),
        (curve((0, 0.2), (9, 0.2), (10, 1.0), (11, 0.2)), "partial"),  # success is never nothing
        (curve((0, 0.6), (10, 0.7)), "failure"),  # high, but from where it began that is little
        (curve((0, 1.0), (10, 0.5)), "failure"),  # began well and only lost
        (curve((0, 0.3)), "failure"),
    ],
)
def test_the_grade_follows_the_stated_rules(progress: FloatArray, worth: str) -> None:
    assert graded(progress) == worth


def test_a_later_stage_that_is_held_makes_a_failure_partial() -> None:
    progress = curve((0, 0.1), (10, 0.3))
    assert graded(progress, curve((9, 0), (10, 1), (14, 1), (15, 0))) == "partial"
    assert graded(progress, curve((39, 0), (40, 1))) == "partial"  # there at the end
    assert graded(progress, curve((9, 0), (10, 1), (13, 1), (14, 0))) == "failure"  # passed through
    assert (
        graded(progress, curve((9, 1), (10, 0))) == "failure"
    )  # the stage that it began in is no gain


def test_a_setback_that_the_expert_needs_too_is_no_flaw() -> None:
    progress = curve((0, 0.1), (4, 0.6), (5, 0.4), (10, 1.0))
    assert graded(progress, pace=ExpertPace(success_step=10, max_progress_drop=0.2)) == "success"


@pytest.mark.parametrize(
    ("progress", "onset"),
    [
        (curve((0, 0.3)), 0),  # nothing was ever gained
        (curve((0, 0.9), (40, 0.1)), 0),
        (
            curve((0, 0.0), (20, 0.5)),
            20 - 0.02 / 0.025,
        ),  # the last gain above the margin is made just before
        (
            curve((0, 0.0), (20, 0.5), (30, 0.1), (40, 0.51)),
            20 - 0.02 / 0.025 + 1,
        ),  # a recovery to 0.51 gains nothing
        (
            curve((0, 0.0), (10, 0.5), (20, 0.1), (40, 0.9)),
            40,
        ),  # a recovery beyond the best is a gain
        (
            curve((0, 0.99), (10, 0.99), (11, 1.0), (20, 1.0), (21, 0.5)),
            11,
        ),  # to reach success is a gain always
        (curve((0, 0.0), (40, 1.0)), None),
    ],
)
def test_failure_sets_in_where_nothing_more_is_gained(
    progress: FloatArray, onset: float | None
) -> None:
    found = failure_onset(progress, progress == 1)
    assert found == onset if onset is None else found is not None and abs(found - onset) <= 1


@given(st.lists(st.floats(0, 0.99), min_size=1, max_size=30))
def test_the_onset_is_the_first_frame_that_meets_its_definition(heights: list[float]) -> None:
    progress = np.array(heights)

    def over(t: int) -> bool:
        return all(later <= max(heights[: t + 1]) + MIN_PROGRESS_GAIN for later in heights[t + 1 :])

    assert failure_onset(progress, progress == 1) == next(t for t in range(len(heights)) if over(t))


@given(st.lists(st.integers(0, 2), min_size=1, max_size=30))
def test_stage_spans_cover_every_frame_once_and_change_name_at_every_bound(
    stage: list[int],
) -> None:
    spans = stage_spans(np.array(stage), ("a", "b", "c"))
    assert [name for name, start, stop in spans for _ in range(start, stop)] == [
        "abc"[index] for index in stage
    ]
    assert all(
        one.stop == other.start and one.name != other.name
        for one, other in itertools.pairwise(spans)
    )


def test_an_episode_carries_what_an_agent_sees_its_stages_and_its_onset() -> None:
    task = make_task("roborew/DrawerOpen-v0")
    episode = collect_episodes(task, "stall", [3])[0]
    still = np.zeros((len(episode.qpos), task.model.nv))
    assert episode.observations.shape == task.observe(episode.qpos, still).shape
    assert episode.observations.dtype == np.float32
    assert [span.name for span in episode.stage_spans] == ["approach", "pull"]
    assert (
        episode.failure_onset is not None
        and np.ptp(episode.progress[episode.failure_onset :]) < 0.1
    )
    assert collect_episodes(task, "expert", [3])[0].failure_onset is None
