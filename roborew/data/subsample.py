"""Fewer frames of a second: video has many more than it takes to see what happens."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from roborew.errors import InvalidInputError


def subsample_indices(
    length: int, source_fps: float, target_fps: float | None
) -> NDArray[np.int64]:
    """Positions of the frames that are kept: every k-th, so that about ``fps`` of a second are
    left, and the last one.

    Args:
        length: frames of the video, at least 1.
        rate: of the video, frames per second.
        fps: above 0; all are kept if None.

    >>> subsample_indices(6, 10, 5).tolist()
    [0, 2, 4, 5]
    """
    step = subsample_step(source_fps, target_fps)
    indices = np.arange(0, length, step)
    # The last frame always: it is the one that shows whether the episode succeeded.
    return np.unique(np.append(indices, length - 1))


def subsample_step(source_fps: float, target_fps: float | None) -> int:
    """Frames from one that is kept to the next, 1 if ``target_fps`` is None.

    Raises:
        InvalidInputError: ``target_fps`` is not above 0.
    """
    if target_fps is None:
        return 1
    if not (math.isfinite(target_fps) and target_fps > 0):
        raise InvalidInputError(f"fps: expected a number above 0; got {target_fps}.")
    return max(1, round(source_fps / target_fps))
