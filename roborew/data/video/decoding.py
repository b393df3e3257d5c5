"""The frames of a video file, one at a time, upright, each with its time."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from roborew.data.video.header import DEFAULT_LIMITS, REMEDY, VideoLimits, open_video
from roborew.data.video.integrity import VideoIntegrity
from roborew.errors import CorruptFileError, InvalidInputError
from roborew.types import Frame

TimedPicture = tuple[float, av.VideoFrame]
"""When a picture is shown [s], and the picture as the decoder gives it."""


def iter_video(path: str | Path, limits: VideoLimits = DEFAULT_LIMITS) -> Iterator[Frame]:
    """Decode a local video file, one frame (H, W, 3), uint8 RGB, upright, at a time.

    Raises:
        InvalidInputError: no such file (a URL is none), no video file, a limit exceeded, or frames
            of several sizes.
        CorruptFileError: the file is damaged or ends before its header says; frames before the
            damage were given.
    """
    return (frame for _, frame in iter_timestamped(path, limits))


def iter_timestamped(
    path: str | Path, limits: VideoLimits = DEFAULT_LIMITS, start: float = 0.0
) -> Iterator[tuple[float, Frame]]:
    """Decode frames with their times [s] from the last key frame at or before ``start`` [s]; errors
    as `iter_video`."""
    converter = Converter()
    pictures = iter_pictures(path, limits, start)
    return ((time, converter.upright(picture)) for time, picture in pictures)


def iter_pictures(
    path: str | Path, limits: VideoLimits = DEFAULT_LIMITS, start: float = 0.0
) -> Generator[TimedPicture]:
    """Decode pictures that are not converted yet, for those who need a few of them; arguments and
    errors as `iter_timestamped`."""
    with open_video(Path(path), limits) as video:
        complete = VideoIntegrity(video)
        # A frame can be decoded from the key frame before it only.
        if start > 0:
            ticks = int(start / (video.stream.time_base or 1))
            video.container.seek(ticks, stream=video.stream)
        size: tuple[int, int] | None = None
        for packet in video.container.demux(video.stream):
            complete.on_packet(packet)
            for picture in packet.decode():
                number = complete.num_frames
                if picture.is_corrupt:
                    raise CorruptFileError(f"{path}: frame {number} is damaged. {REMEDY}")
                if number == limits.frames:
                    raise InvalidInputError(f"{path}: more than {limits.frames} frames, the limit.")
                size = size or (picture.width, picture.height)
                _check_size(path, number, picture, size)
                yield complete.on_frame(picture), picture
        # From the middle on nobody knows how many frames there should be.
        if start <= 0:
            complete.check()


def _check_size(
    path: str | Path, number: int, picture: av.VideoFrame, size: tuple[int, int]
) -> None:
    if (picture.width, picture.height) != size:
        raise InvalidInputError(
            f"{path}: frame {number} has {picture.width} x {picture.height} pixels, those before "
            f"it {size[0]} x {size[1]}; expected one size. Re-encode it: ffmpeg -i FILE NEW.mp4"
        )


class Converter:
    """Turns pictures of one video into frames.

    One for all of them: to look up how colors are converted takes longer than to convert a small
    picture.
    """

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def upright(self, picture: av.VideoFrame) -> Frame:
        """Shape (H, W, 3), turned as the header says: telephones store what they film on its
        side."""
        colors = self._reformatter.reformat(picture, format="rgb24", threads=1)
        frame = cast(Frame, colors.to_ndarray())
        if not picture.rotation:
            return frame
        return np.ascontiguousarray(np.rot90(frame, round(picture.rotation / 90)))
