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


class TimeSampler:
    """Chooses frames by their times: of a constant rate every k-th, as `subsample_indices` does, of
    a varying one those that are as far apart.

    >>> sampler = TimeSampler(source_fps=10, target_fps=5)
    >>> [sampler.keeps(time) for time in (0.0, 0.1, 0.2, 0.21, 0.22, 0.4)]
    [True, False, True, False, False, True]
    """

    def __init__(self, source_fps: float, target_fps: float | None) -> None:
        """Begin with a frame that is kept; all are if ``target_fps`` is None."""
        step = subsample_step(source_fps, target_fps)
        # Half a frame of slack: times are rounded to ticks, and telephones are not exact.
        self._min_gap = 0.0 if target_fps is None else (step - 0.5) / source_fps
        self._last_time = -math.inf

    def keeps(self, time: float) -> bool:
        """Whether the next frame, shown at ``time`` [s], is kept."""
        # The distance, as a file whose clock was set back must not end here.
        if abs(time - self._last_time) < self._min_gap:
            return False
        self._last_time = time
        return True


def subsample_times(
    times: NDArray[np.float64], source_fps: float, target_fps: float | None
) -> NDArray[np.int64]:
    """Positions of the frames that a `TimeSampler` keeps, and the last one.

    Args:
        times: when the frames are shown [s], shape (T,).
        source_fps: of the video, frames per second on average.
        target_fps: above 0; all are kept if None.
    """
    sampler = TimeSampler(source_fps, target_fps)
    indices = [index for index, time in enumerate(times.tolist()) if sampler.keeps(time)]
    return np.unique(np.append(indices, len(times) - 1)).astype(np.int64)
