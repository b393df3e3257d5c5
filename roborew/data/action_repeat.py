"""A demonstration as an agent would have given it whose actions are repeated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roborew.data.demonstration import MIN_FRAMES, Demonstration
from roborew.errors import InvalidInputError
from roborew.types import FloatArray, Frame


def with_action_repeat(demonstration: Demonstration, repeat: int) -> Demonstration:
    """Return every k-th frame of a demonstration, and the last one, with the mean of the actions
    between two of them and the sum of their rewards.

    The mean moves a robot that is told where to go by the same way, but not one that is told which
    forces to bring; key frames and stages are dropped.

    Args:
        demonstration: with what was observed and done in each frame.
        repeat: k, steps for which the agent repeats each action.

    Raises:
        InvalidInputError: too few frames are left.
    """
    if repeat == 1:
        return demonstration
    indices = _frames_between(demonstration, repeat)

    def source(camera: str) -> Iterator[Frame]:
        chosen = set(indices.tolist())
        for index, frame in enumerate(demonstration.frames(camera)):
            if index in chosen:
                yield frame

    return replace(
        demonstration,
        length=len(indices),
        fps=demonstration.fps / repeat,
        source=source,
        progress=_at(demonstration.progress, indices),
        success=_at(demonstration.success, indices),
        observations=_at(demonstration.observations, indices),
        actions=_between(demonstration.actions, indices, mean=True),
        rewards=_between(demonstration.rewards, indices, mean=False),
        stages=None,
        keyframes=None,
        onset=None,
        timestamps=None,
    )


def _frames_between(demonstration: Demonstration, repeat: int) -> NDArray[np.int64]:
    """The first frame, every k-th after it, and the last one."""
    length = demonstration.length
    indices = np.unique(np.append(np.arange(0, length, repeat), length - 1))
    if len(indices) < MIN_FRAMES:
        raise InvalidInputError(
            f"demos: {demonstration.name} has {length} frames; with --env.action-repeat {repeat} "
            f"{len(indices)} are left, and {MIN_FRAMES} are needed. Repeat less, or leave it out."
        )
    return indices


def _at(column: NDArray[Any] | None, indices: NDArray[np.int64]) -> NDArray[Any] | None:
    return None if column is None else column[indices]


def _between(
    column: FloatArray | None, indices: NDArray[np.int64], mean: bool
) -> FloatArray | None:
    """Of each frame the mean or the sum of a column up to the next; the last repeats the one
    before."""
    if column is None:
        return None
    parts = [column[start:stop] for start, stop in pairwise(indices.tolist())]
    rows = [part.mean(axis=0) if mean else part.sum(axis=0) for part in parts]
    return np.stack([*rows, rows[-1]]).astype(np.float32)
