"""Fewer frames of a second, chosen by their times while a video is decoded."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from roborew.data.pictures import side_by_side
from roborew.data.subsample import TimeSampler
from roborew.data.video.decoding import Converter, TimedPicture, iter_pictures
from roborew.data.video.header import DEFAULT_LIMITS, VideoInfo, VideoLimits, open_video, video_info
from roborew.errors import InvalidInputError
from roborew.types import Frame

T = TypeVar("T")
PREFETCHED_FRAMES = 4


@dataclass(frozen=True, slots=True)
class Moment:
    """A frame of a video.

    Attributes:
        index: its number in the video, from 0.
        time: when it is shown [s].
        frame: shape (H, W, 3), uint8 RGB.
    """

    index: int
    time: float
    frame: Frame


def iter_sampled(
    path: str | Path,
    fps: float | None = None,
    views: Sequence[Path] = (),
    limits: VideoLimits = DEFAULT_LIMITS,
) -> Iterator[Moment]:
    """Decode a video, whole or thinned to about ``fps`` frames of each second; its last frame is
    always given, as it shows whether the episode succeeded.

    Only frames that are given are converted, ahead of the caller in a thread of its own.

    Args:
        path: of the video.
        fps: frames per second that are given; all if None.
        views: the same moments seen by other cameras, whose pictures are set side by side with
            those of the video.
        limits: what is refused.

    Raises:
        InvalidInputError: as `iter_video`; or ``fps`` is not above 0, or views of other moments.
        CorruptFileError: as `iter_video`.
    """
    info = video_info(path, limits)
    sampler = TimeSampler(info.fps, fps)
    for view in views:
        _check_same_moments(Path(path), view, limits)
    videos = [iter_pictures(one, limits) for one in (path, *views)]
    return prefetch(_sample(videos, sampler), PREFETCHED_FRAMES)


def _sample(videos: Sequence[Iterator[TimedPicture]], sampler: TimeSampler) -> Generator[Moment]:
    converters = [Converter() for _ in videos]
    skipped: tuple[int, Sequence[TimedPicture]] | None = None
    for index, pictures in enumerate(zip_longest(*videos)):
        if None in pictures:
            raise InvalidInputError(f"views: expected the same moments; one ends at frame {index}.")
        skipped = (index, pictures)
        if sampler.keeps(pictures[0][0]):
            yield _moment(*skipped, converters)
            skipped = None
    if skipped is not None:
        yield _moment(*skipped, converters)


def _moment(
    index: int, pictures: Sequence[TimedPicture], converters: Sequence[Converter]
) -> Moment:
    time, _ = pictures[0]
    pairs = zip(converters, pictures, strict=True)
    views = [converter.upright(picture) for converter, (_, picture) in pairs]
    return Moment(index, time, side_by_side(views))


def packet_times(path: str | Path, limits: VideoLimits = DEFAULT_LIMITS) -> NDArray[np.float64]:
    """When the frames of a video are shown [s], rising, by its index, which costs no decoding;
    errors as `iter_video`, but damage inside frames is not seen."""
    with open_video(Path(path), limits) as video:
        tick = float(video.stream.time_base or 0)
        times = [
            tick * (packet.dts if packet.pts is None else packet.pts)
            for packet in video.container.demux(video.stream)
            # The last packet is empty; a discarded one is decoded for the sake of others.
            if packet.size and packet.dts is not None and not packet.is_discard
        ]
    return np.sort(np.array(times, np.float64))


def _check_same_moments(path: Path, view: Path, limits: VideoLimits) -> None:
    first, second = (_frames_and_rate(file, limits) for file in (path, view))
    # Two cameras of one recorder differ in the third digit; of one moment each they are all the same.
    if first[0] != second[0] or not math.isclose(first[1], second[1], rel_tol=0.02):
        raise InvalidInputError(
            f"{view}: expected the same moments as in {path}, {first[0]} frames at {first[1]:g} "
            f"per second; got {second[0]} at {second[1]:g}."
        )


def _frames_and_rate(path: Path, limits: VideoLimits) -> tuple[int, float]:
    info: VideoInfo = video_info(path, limits)
    return info.frames or len(packet_times(path, limits)), info.fps


def prefetch(items: Generator[T], ahead: int) -> Generator[T]:
    """Give the items of a generator, which runs ahead in a thread of its own."""
    end = object()
    pool = ThreadPoolExecutor(1)
    try:
        waiting = deque(pool.submit(next, items, end) for _ in range(ahead))
        while (item := waiting.popleft().result()) is not end:
            waiting.append(pool.submit(next, items, end))
            yield item  # pyright: ignore[reportReturnType] - all but the end is an item
    finally:
        # At rest before it is closed, which closes its files.
        pool.shutdown(cancel_futures=True)
        items.close()
