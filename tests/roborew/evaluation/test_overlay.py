"""The film shows the curves up to now and no further, and true success only when it is true."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from roborew.data.video import read_video, video_info
from roborew.errors import InvalidInputError, RunExistsError
from roborew.evaluation import (
    Overlay,
    RewardMonitor,
    draw_overlay,
    record,
    recording_overlay,
    score_range,
    write_overlay_video,
)
from roborew.evaluation.overlay import INK, SCORE, SUCCESS, TRUTH
from roborew.types import Frame, RewardSpec
from tests.roborew.evaluation.stairs import Green, climb, stairs

FRAMES = np.full((8, 72, 96, 3), 90, np.uint8)


def story(**changes: Any) -> Overlay:
    usual: dict[str, Any] = {
        "instruction": "push the red cube onto the green pad",
        "progress": np.linspace(0, 1, 8).tolist(),
        "success": [False] * 6 + [True] * 2,
        "scores": [0.0, None, 0.3, None, None, 0.6, None, 0.9],
    }
    return Overlay(**{**usual, **changes})


def pixels(frame: Frame, colour: tuple[int, int, int]) -> int:
    return int((np.abs(frame.astype(int) - colour).max(axis=2) <= 2).sum())


def test_every_state_becomes_one_frame_of_even_sides() -> None:
    for frames in (FRAMES, FRAMES[:, :, :71], FRAMES[:, :37]):
        drawn = list(draw_overlay(frames, story()))
        assert len(drawn) == 8
        assert {frame.shape for frame in drawn} == {drawn[0].shape}
        assert drawn[0].shape[0] % 2 == 0
        assert drawn[0].shape[1] == 480
        assert drawn[0].dtype == np.uint8


def test_success_is_marked_when_it_is_true_and_not_before() -> None:
    marked = [pixels(frame, SUCCESS) > 0 for frame in draw_overlay(FRAMES, story())]
    assert marked == [False] * 6 + [True] * 2


def test_the_curves_grow_with_the_episode() -> None:
    drawn = list(draw_overlay(FRAMES, story()))
    for colour in (SCORE, TRUTH):
        assert pixels(drawn[7], colour) > pixels(drawn[3], colour) > pixels(drawn[0], colour) > 0


def test_the_future_is_not_drawn() -> None:
    """Frame t may show what was known at t: another ending must not change it."""
    other = story(
        progress=[*np.linspace(0, 1, 8)[:4], 0, 0, 0, 0], scores=[0.0, None, 0.3, None, 1, 1, 1, 1]
    )
    for ours, theirs in list(
        zip(draw_overlay(FRAMES, story()), draw_overlay(FRAMES, other), strict=True)
    )[:4]:
        np.testing.assert_array_equal(ours, theirs)


def test_the_picture_itself_is_in_the_film() -> None:
    frame = next(draw_overlay(FRAMES, story()))
    assert pixels(frame, (90, 90, 90)) > 0.9 * 480 * 360


def test_a_long_instruction_takes_more_room_and_stays_inside() -> None:
    short, long = (
        next(draw_overlay(FRAMES, story())),
        next(draw_overlay(FRAMES, story(instruction="push it gently " * 30))),
    )
    assert 0 < long.shape[0] - short.shape[0] <= 60
    assert pixels(long[:, -10:], INK) == 0


def test_scores_beyond_their_range_stay_in_the_plot() -> None:
    assert len(list(draw_overlay(FRAMES, story(scores=[-5.0] * 4 + [7.0] * 4)))) == 8


def test_an_episode_without_scores_can_be_filmed() -> None:
    (drawn,) = draw_overlay(FRAMES[:1], story(progress=[0.2], success=[False], scores=[None]))
    assert pixels(drawn, SCORE) == 0 < pixels(drawn, TRUTH)


def test_a_film_holds_its_last_picture_and_overwrites_nothing(tmp_path: Path) -> None:
    path = write_overlay_video(tmp_path / "push.mp4", FRAMES, story(), fps=4, hold=1.0)
    assert video_info(path).frames == 8 + 4
    frames = read_video(path).astype(int)
    assert np.abs(frames[7] - frames[11]).mean() < 1
    with pytest.raises(RunExistsError):
        write_overlay_video(path, FRAMES, story(), fps=4)


def test_a_recording_tells_its_own_story() -> None:
    monitor = RewardMonitor(model=Green(), instruction="climb the stairs", score_every=4)
    (recording,) = record(stairs(), climb, [2], monitor=monitor)
    told = recording_overlay(recording, "climb the stairs", monitor.model.spec)
    assert [score is not None for score in told.scores] == [
        step in (0, 4, 8, 10) for step in range(11)
    ]
    assert len(list(draw_overlay(recording.frames, told))) == 11


@pytest.mark.parametrize(
    "mistake",
    [
        lambda: story(progress=[0.0]),
        lambda: story(score_range=(1.0, 1.0)),
        lambda: story(instruction="\n"),
        lambda: list(draw_overlay(FRAMES[:3], story())),
    ],
)
def test_a_story_that_does_not_fit_is_refused(mistake: Any) -> None:
    with pytest.raises(InvalidInputError, match=r"expected|goal"):
        mistake()


@pytest.mark.parametrize(
    ("low", "high", "scores", "expected"),
    [
        (0.0, 1.0, [0.2, 0.3], (0.0, 1.0)),
        (-1.0, 1.0, [0.1, None, 0.4], (0.1, 0.4)),
        (-1.0, 1.0, [0.2, 0.2], (0.15, 0.25)),
        (-math.inf, 0.0, [-3.0, None, -1.0], (-3.0, -1.0)),
    ],
)
def test_progress_keeps_its_scale_and_similarity_shows_what_it_spans(
    low: float, high: float, scores: list[float | None], expected: tuple[float, float]
) -> None:
    shown = score_range(
        RewardSpec(
            name="x",
            low=low,
            high=high,
            context=1,
            causal=True,
            needs_goal_image=False,
            predicts_success=False,
            paper="",
        ),
        scores,
    )
    assert shown == pytest.approx(expected)
    assert len(list(draw_overlay(FRAMES, story(scores=[None] * 8, score_range=shown)))) == 8
