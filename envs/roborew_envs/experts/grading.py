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

    - ``success``: success at the end, first reached within `MAX_TIME_RATIO` times the expert's time, and
      with no setback worse than the expert's own by more than `MIN_PROGRESS_GAIN`.
    - ``suboptimal``: success at the end, but slower or with a worse setback.
    - ``partial``: no success at the end, but success was reached, or half of the way from the
      start, or a later stage than the first frame's, and of these two one was held for `MIN_HELD_FRAMES`
      frames in a row or at the end.
    - ``failure``: neither.

    >>> path = np.array([0.2, 0.5, 0.8, 1.0])
    >>> grade_trajectory(path, path == 1, np.array([0, 0, 1, 2]), ExpertPace(success_step=3, max_progress_drop=0))
    'success'
    >>> grade_trajectory(path, path == 1, np.array([0, 0, 1, 2]), ExpertPace(success_step=2, max_progress_drop=0))
    'suboptimal'
    """
    if success[-1]:
        prompt = np.argmax(success) <= MAX_TIME_RATIO * pace.success_step
        return (
            "success"
            if prompt and max_progress_drop(progress) <= pace.max_progress_drop + MIN_PROGRESS_GAIN
            else "suboptimal"
        )
    way = 1 - progress[0]
    reached = ((progress - progress[0] >= PARTIAL_SHARE * way) & (way > 0)) | (stage > stage[0])
    gained = success.any() and not success[0]
    return (
        "partial" if gained or reached[-1] or longest_run(reached) >= MIN_HELD_FRAMES else "failure"
    )


def longest_run(held: BoolArray) -> int:
    """The most frames in a row.

    >>> longest_run(np.array([True, False, True, True, False]))
    2
    """
    return max(
        (sum(1 for _ in run) for value, run in itertools.groupby(held.tolist()) if value), default=0
    )


def max_progress_drop(progress: FloatArray) -> float:
    """How far progress falls, at worst, below the best so far: 0 where it only ever rises.

    >>> round(max_progress_drop(np.array([0.1, 0.6, 0.4, 1.0])), 6)
    0.2
    """
    return float(np.max(np.maximum.accumulate(progress) - progress))


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
    height = np.where(success, 1 + 2 * margin, progress)
    best = np.maximum.accumulate(height)
    to_come = np.append(np.maximum.accumulate(height[:0:-1])[::-1], -np.inf)
    return int(np.argmax(to_come <= best + margin))


def stage_spans(stage: NDArray[np.int64], names: Sequence[str]) -> tuple[StageSpan, ...]:
    """The stretches of equal stage, in order, covering every frame once.

    >>> stage_spans(np.array([0, 0, 1, 0]), ("reach", "pull", "open"))[:2]
    (StageSpan(name='reach', start=0, stop=2), StageSpan(name='pull', start=2, stop=3))
    """
    bounds = [0, *(np.flatnonzero(np.diff(stage)) + 1).tolist(), len(stage)]
    return tuple(
        StageSpan(names[int(stage[start])], start, stop)
        for start, stop in itertools.pairwise(bounds)
    )
