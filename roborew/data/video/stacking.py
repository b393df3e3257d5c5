"""Frames of a video that are held together, within a limit that is known before they are
decoded."""

from __future__ import annotations

import math
from pathlib import Path

from roborew.data.subsample import TimeSampler
from roborew.data.video.decoding import iter_video
from roborew.data.video.header import DEFAULT_LIMITS, VideoLimits, video_info
from roborew.data.video.sampling import packet_times
from roborew.errors import InvalidInputError
from roborew.types import Video, stack_frames


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
    seconds = times[-1] - times[0] if times else 0.0
    shape = (info.height, info.width * num_views)
    check_held_frames(str(path), count, shape, seconds, limits.decoded_bytes)
    return count


def check_held_frames(
    name: str,
    count: int,
    shape: tuple[int, int],
    seconds: float,
    limit: int = DEFAULT_LIMITS.decoded_bytes,
) -> None:
    """Raise where frames are too large to be held together.

    Args:
        name: of the video, for messages.
        count: of frames.
        shape: height and width of each [pixels].
        seconds: that they take.
        limit: bytes of all.

    Raises:
        InvalidInputError: they are larger than ``limit``.
    """
    height, width = shape
    size = count * height * width * 3
    if size <= limit:
        return
    # Every k-th frame is what a lower rate comes to.
    every = math.ceil(size / limit)
    advised = count / max(seconds, 1e-3) / every
    raise InvalidInputError(
        f"{name}: {count} frames of {width} x {height} pixels are {size / 2**30:.1f} GiB decoded; "
        f"the limit is {limit / 2**30:.2g} GiB. Take fewer of them (--fps {advised:.2g})."
    )
