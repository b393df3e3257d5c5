"""Frames of a video that are held together, within a limit that is known before they are
decoded."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roborew.data.video.decoding import iter_video
from roborew.data.video.header import DEFAULT_LIMITS, VideoLimits, video_info
from roborew.data.video.sampling import TimeSampler, packet_times
from roborew.errors import InvalidInputError
from roborew.types import Frame, Video


def read_video(path: str | Path, limits: VideoLimits = DEFAULT_LIMITS) -> Video:
    """Decode a whole video into one array, shape (T, H, W, 3), uint8 RGB; errors as
    `roborew.data.iter_video`."""
    count = check_decoded_size(path, None, limits=limits)
    return stack_frames(iter_video(path, limits), count)


def check_decoded_size(
    path: str | Path,
    fps: float | None,
    num_views: int = 1,
    limits: VideoLimits = DEFAULT_LIMITS,
) -> int:
    """The number of frames of a video that is thinned to ``fps``.

    Raises:
        InvalidInputError: together they would take more than ``limits.decoded_bytes``.
    """
    info = video_info(path, limits)
    sampler = TimeSampler(info.fps, fps)
    # Counted in the file: what a header says of the number of frames may be anything.
    times = packet_times(path, limits).tolist()
    count = sum(map(sampler.keeps, times))
    size = count * num_views * info.width * info.height * 3
    if size > limits.decoded_bytes:
        rate = len(times) / max(times[-1] - times[0], 1e-3)
        advised = (fps or rate) * limits.decoded_bytes / size
        raise InvalidInputError(
            f"{path}: {count} frames of {info.width} x {info.height} pixels are {size / 2**30:.1f} "
            f"GiB decoded; the limit is {limits.decoded_bytes} bytes. Take fewer of them (--fps "
            f"{advised:.2g}), or read it with iter_video."
        )
    return count


def stack_frames(frames: Iterable[Frame], count: int = 1) -> NDArray[np.uint8]:
    """Frames of one size as one array (T, H, W, 3), each copied once.

    Args:
        frames: as they come, at least one.
        count: how many there will be, about.
    """
    stack: Any = None
    number = 0
    for frame in frames:
        if stack is None:
            stack = np.empty((max(count, 1), *frame.shape), np.uint8)
        if number == len(stack):
            # In place: a list of frames that is stacked at the end would hold all of them twice.
            stack.resize((number + number // 4 + 16, *frame.shape), refcheck=False)
        stack[number] = frame
        number += 1
    if stack is None:
        raise InvalidInputError("video: got no frame; expected at least one.")
    if number < len(stack):
        stack.resize((number, *stack.shape[1:]), refcheck=False)
    return stack
