"""What a video file says of itself before a frame is decoded, and what is refused for it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import av
import av.error
from av.container import InputContainer
from av.video.stream import VideoStream

from roborew.errors import CorruptFileError, InvalidInputError

VIDEO_SUFFIXES = (".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi", ".gif")
"""By which a video is found in a folder, in upper or lower case; a file that is named is opened
whatever its suffix."""
REMEDY = "Re-encode it, or fetch it again."
_CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,gif"


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoLimits:
    """What a video may cost before it is refused."""

    file_bytes: int = 2 << 30
    """Size of the file."""
    frames: int = 100_000
    """Number of frames."""
    seconds: float = 3600.0
    """Duration."""
    side: int = 4096
    """Width and height, each, in pixels."""
    decoded_bytes: int = 4 << 30
    """Size of the frames that are held together; `iter_video` holds one frame at a time."""


DEFAULT_LIMITS = VideoLimits()


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoInfo:
    """What the header of a video file says."""

    width: int
    height: int
    """As stored; a frame that the header turns by a quarter has them exchanged."""
    fps: float
    frames: int | None
    """Number of frames, None where the container does not store it."""
    seconds: float | None
    """Duration, None where the container does not store it."""
    comment: str = ""
    """What the file says of itself; films of roborew say how their frames were drawn."""


@dataclass(frozen=True, slots=True)
class OpenVideo:
    """A video file that is open.

    Attributes:
        path: of the file.
        container: at its beginning.
        stream: its first stream of pictures.
        info: of its header.
    """

    path: Path
    container: InputContainer
    stream: VideoStream
    info: VideoInfo


def video_info(path: str | Path, limits: VideoLimits = DEFAULT_LIMITS) -> VideoInfo:
    """Read a video's header; errors as `roborew.data.iter_video`."""
    with open_video(Path(path), limits) as video:
        return video.info


@contextmanager
def open_video(path: Path, limits: VideoLimits) -> Generator[OpenVideo, None, None]:
    """Open a local video file for reading; errors as `roborew.data.iter_video`, those of the block
    too."""
    if not path.is_file():
        raise InvalidInputError(f"video: expected a local file; found none at {str(path)!r}.")
    if path.stat().st_size > limits.file_bytes:
        raise InvalidInputError(
            f"{path}: {path.stat().st_size} bytes; the limit is {limits.file_bytes}."
        )
    # Playlist formats name further files and hosts: only plain containers, only this file.
    options = {"protocol_whitelist": "file", "format_whitelist": _CONTAINERS}
    try:
        with av.open(
            f"file:{path.resolve()}", options=options, metadata_errors="replace"
        ) as container:
            stream = _picture_stream(path, container)
            # All cores; and no frame larger than the limit, whatever the container says of it.
            stream.thread_type = "AUTO"
            stream.codec_context.options = {"max_pixels": str(limits.side**2)}
            yield OpenVideo(path, container, stream, _checked_info(path, container, stream, limits))
    except av.error.FFmpegError as error:
        raise CorruptFileError(f"{path}: cannot be decoded ({error.strerror}). {REMEDY}") from error


def _picture_stream(path: Path, container: InputContainer) -> VideoStream:
    if not container.streams.video:
        raise CorruptFileError(f"{path}: holds no video stream.")
    stream = container.streams.video[0]
    if cast(Any, stream.codec_context) is None:  # PyAV's types do not say so
        raise CorruptFileError(f"{path}: its codec is unknown, or its header damaged. {REMEDY}")
    return stream


def _checked_info(
    path: Path, container: InputContainer, stream: VideoStream, limits: VideoLimits
) -> VideoInfo:
    rate = stream.average_rate or stream.guessed_rate
    if not rate or not stream.width or not stream.height:
        raise CorruptFileError(f"{path}: the header gives no frame rate or size. {REMEDY}")
    seconds = None if container.duration is None else container.duration / av.time_base
    info = VideoInfo(
        width=stream.width,
        height=stream.height,
        fps=float(rate),
        frames=stream.frames or None,
        seconds=seconds,
        comment=container.metadata.get("comment", ""),
    )
    if max(info.width, info.height) > limits.side:
        raise InvalidInputError(
            f"{path}: {info.width} x {info.height} pixels; the limit is {limits.side} a side. "
            f"Scale it down: ffmpeg -i FILE -vf scale=1280:-2 SMALLER.mp4"
        )
    if (info.frames or 0) > limits.frames or (info.seconds or 0.0) > limits.seconds:
        raise InvalidInputError(
            f"{path}: {info.frames} frames, {info.seconds} s; the limits are {limits.frames} and "
            f"{limits.seconds} s. Cut it into parts."
        )
    return info
