"""What an episode is worth, read from its true curve alone and never from the name of the behaviour
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

MARGIN = 0.02
"""Progress gained that counts as a gain."""
HALF_WAY = 0.5
"""Share of the way that makes an episode without success at its end a partial one."""
HELD = 5
"""Frames in a row for which half of the way, or a later stage, is held that counts as reached."""
PATIENCE = 1.25
"""Times an expert's own time that an episode may take and still be called a success."""


@dataclass(frozen=True, slots=True)
class Pace:
    """What an expert needs.

    Attributes:
        arrival: the first frame with success.
        setback: how far progress falls back below its best so far.
    """

    arrival: float
    setback: float


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


def grade(progress: FloatArray, success: BoolArray, stage: NDArray[np.int64], pace: Pace) -> Grade:
    """Grade an episode of T + 1 frames by its truth.

    - ``success``: success at the end, first reached within `PATIENCE` times the expert's time, and
      with no setback worse than the expert's own by more than `MARGIN`.
    - ``suboptimal``: success at the end, but slower or with a worse setback.
    - ``partial``: no success at the end, but success was reached, or half of the way from the
      start, or a later stage than the first frame's, and of these two one was held for `HELD`
      frames in a row or at the end.
    - ``failure``: neither.

    >>> path = np.array([0.2, 0.5, 0.8, 1.0])
    >>> grade(path, path == 1, np.array([0, 0, 1, 2]), Pace(arrival=3, setback=0))
    'success'
    >>> grade(path, path == 1, np.array([0, 0, 1, 2]), Pace(arrival=2, setback=0))
    'suboptimal'
    """
    if success[-1]:
        prompt = np.argmax(success) <= PATIENCE * pace.arrival
        return "success" if prompt and setback(progress) <= pace.setback + MARGIN else "suboptimal"
    way = 1 - progress[0]
    reached = ((progress - progress[0] >= HALF_WAY * way) & (way > 0)) | (stage > stage[0])
    gained = success.any() and not success[0]
    return "partial" if gained or reached[-1] or longest_run(reached) >= HELD else "failure"


def longest_run(held: BoolArray) -> int:
    """The most frames in a row.

    >>> longest_run(np.array([True, False, True, True, False]))
    2
    """
    return max(
        (sum(1 for _ in run) for value, run in itertools.groupby(held.tolist()) if value), default=0
    )


def setback(progress: FloatArray) -> float:
    """How far progress falls, at worst, below the best so far: 0 where it only ever rises.

    >>> round(setback(np.array([0.1, 0.6, 0.4, 1.0])), 6)
    0.2
    """
    return float(np.max(np.maximum.accumulate(progress) - progress))


def failure_onset(progress: FloatArray, success: BoolArray, margin: float = MARGIN) -> int | None:
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
