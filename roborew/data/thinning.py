"""Fewer frames of a second: video has many more than it takes to see what happens."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from roborew.errors import InvalidInputError


def kept_frames(length: int, rate: float, fps: float | None) -> NDArray[np.int64]:
    """Positions of the frames that are kept: every k-th, so that about ``fps`` of a second are
    left, and the last one.

    Args:
        length: frames of the video, at least 1.
        rate: of the video, frames per second.
        fps: above 0; all are kept if None.

    >>> kept_frames(6, 10, 5).tolist()
    [0, 2, 4, 5]
    """
    if fps is not None and not (math.isfinite(fps) and fps > 0):
        raise InvalidInputError(f"fps: expected a number above 0; got {fps}.")
    every = 1 if fps is None else max(1, round(rate / fps))
    return np.unique(np.append(np.arange(0, length, every), length - 1))
