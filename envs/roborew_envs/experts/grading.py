"""What an episode is worth, read from its true curve alone and never from the name of the behavior
that made it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from roborew_envs.core.task import BoolArray, FloatArray

Grade = Literal["failure", "partial", "suboptimal", "success"]
"""From worst to best."""

MIN_PROGRESS_GAIN = 0.02
"""Progress gained that counts as a gain."""
PARTIAL_SHARE = 0.5
"""Share of the way that makes an episode without success at its end a partial one."""
MIN_HELD_FRAMES = 5
"""Frames in a row for which half of the way, or a later stage, is held that counts as reached."""
MAX_TIME_RATIO = 1.25
"""Times an expert's own time that an episode may take and still be called a success."""


@dataclass(frozen=True, slots=True)
class ExpertPace:
    """What an expert needs.

    Attributes:
        success_step: the first frame with success.
        max_progress_drop: how far progress falls back below its best so far.
    """

    success_step: float
    max_progress_drop: float


class StageSpan(NamedTuple):
    """A stretch of frames in one stage.

    Attributes:
        name: of the stage.
        start: its first frame.
        stop: one past its last frame.
    """

    name: str
    start: int
    stop: int


def grade_trajectory(
    progress: FloatArray, success: BoolArray, stage: NDArray[np.int64], pace: ExpertPace
) -> Grade:
    """Grade an episode of T + 1 frames by its truth.

    - ``success``: success at the end, first reached within `MAX_TIME_RATIO` times the expert's
      time, and with no drop of progress worse than the expert's own by more than
      `MIN_PROGRESS_GAIN`.
    - ``suboptimal``: success at the end, but slower or with a worse drop.
    - ``partial``: no success at the end, but success was reached, or half of the way from the
      start, or a later stage than the first frame's, and of these two one was held for
      `MIN_HELD_FRAMES` frames in a row or at the end.
    - ``failure``: neither.

    Args:
        progress: shape (T + 1,), in [0, 1].
        success: shape (T + 1,).
        stage: shape (T + 1,), index into the task's stages.
        pace: what the expert needs.

    >>> path = np.array([0.2, 0.5, 0.8, 1.0])
    >>> pace = ExpertPace(success_step=3, max_progress_drop=0)
    >>> grade_trajectory(path, path == 1, np.array([0, 0, 1, 2]), pace)
    'success'
    >>> fast = ExpertPace(success_step=2, max_progress_drop=0)
    >>> grade_trajectory(path, path == 1, np.array([0, 0, 1, 2]), fast)
    'suboptimal'
    """
    if success[-1]:
        return _grade_success(progress, success, pace)
    # A success that is lost again counts, but not one that the episode began with.
    was_reached = success.any() and not success[0]
    is_half_way = _is_half_way(progress, stage)
    was_held = is_half_way[-1] or longest_run(is_half_way) >= MIN_HELD_FRAMES
    return "partial" if was_reached or was_held else "failure"


def _grade_success(progress: FloatArray, success: BoolArray, pace: ExpertPace) -> Grade:
    first_success = np.argmax(success)
    is_prompt = first_success <= MAX_TIME_RATIO * pace.success_step
    drop = max_progress_drop(progress)
    is_steady = drop <= pace.max_progress_drop + MIN_PROGRESS_GAIN
    return "success" if is_prompt and is_steady else "suboptimal"


def _is_half_way(progress: FloatArray, stage: NDArray[np.int64]) -> BoolArray:
    """Frames at which half of the way from the start, or a later stage, is reached: (T + 1,)."""
    gained = progress - progress[0]
    way = 1 - progress[0]
    # A start with progress 1 has no way to go, of which every frame would have gone half.
    half_gained = (gained >= PARTIAL_SHARE * way) & (way > 0)
    return half_gained | (stage > stage[0])


def longest_run(mask: BoolArray) -> int:
    """The most frames in a row that are True.

    >>> longest_run(np.array([True, False, True, True, False]))
    2
    """
    longest = run = 0
    for is_true in mask.tolist():
        run = run + 1 if is_true else 0
        longest = max(longest, run)
    return longest


def max_progress_drop(progress: FloatArray) -> float:
    """How far progress (T + 1,) falls, at worst, below the best so far: 0 where it only rises.

    >>> round(max_progress_drop(np.array([0.1, 0.6, 0.4, 1.0])), 6)
    0.2
    """
    best_so_far = np.maximum.accumulate(progress)
    drops = best_so_far - progress
    return float(drops.max())


def failure_onset(
    progress: FloatArray, success: BoolArray, margin: float = MIN_PROGRESS_GAIN
) -> int | None:
    """The frame from which an episode without success at its end gains no more.

    That is the first frame t such that no later frame's progress exceeds the best of the frames
    0..t by more than ``margin``; to reach success for the first time is a gain always. None if the
    episode ends in success.

    >>> failure_onset(np.array([0.1, 0.3, 0.5, 0.51, 0.5]), np.zeros(5, bool))
    2
    """
    if success[-1]:
        return None
    # Higher than any progress by more than the margin, so that success is a gain from anywhere.
    value = np.where(success, 1 + 2 * margin, progress)
    best_so_far = np.maximum.accumulate(value)
    later = value[:0:-1]
    best_later = np.maximum.accumulate(later)[::-1]
    # Nothing comes after the last frame.
    best_to_come = np.append(best_later, -np.inf)
    gains_no_more = best_to_come <= best_so_far + margin
    return int(np.argmax(gains_no_more))


def stage_spans(stage: NDArray[np.int64], names: Sequence[str]) -> tuple[StageSpan, ...]:
    """The stretches of equal stage, in order, covering every frame once.

    >>> stage_spans(np.array([0, 0, 1, 0]), ("reach", "pull", "open"))[:2]
    (StageSpan(name='reach', start=0, stop=2), StageSpan(name='pull', start=2, stop=3))
    """
    changes = np.flatnonzero(np.diff(stage)) + 1
    bounds = [0, *changes.tolist(), len(stage)]
    spans: list[StageSpan] = []
    for start, stop in itertools.pairwise(bounds):
        name = names[int(stage[start])]
        spans.append(StageSpan(name, start, stop))
    return tuple(spans)
