"""Video files in and out, one frame at a time.

Written: mp4, index at the front, by default h264 and yuv420p, which every browser plays. Read:
local video files only, within limits, and a file that does not hold what its header promises is an
error rather than a shorter video.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import av
import av.error
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream

from roborew.data.encoding import Encoding, browser_encoding
from roborew.data.files import create_atomically
from roborew.data.video_integrity import VideoIntegrity
from roborew.errors import CorruptFileError, InvalidInputError
from roborew.types import Frame, Video, check_video

_CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi"
_REMEDY = "Re-encode it, or fetch it again."


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
    """Size of the array that `read_video` returns; `iter_video` holds one frame at a time."""


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


class VideoWriter:
    """Write an mp4 frame by frame; it appears under its name only when the block ends well.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with VideoWriter(f"{folder}/grey.mp4", fps=10) as writer:
    ...         for level in (0, 128, 255):
    ...             writer.write(np.full((48, 64, 3), level, np.uint8))
    ...     read_video(f"{folder}/grey.mp4").shape
    (3, 48, 64, 3)

    Args:
        path: the file to create, ending in .mp4; see `roborew.data.files.free_path` for a name that
            is free.
        fps: frames per second, 1 to 1000.
        quality: x264's constant rate factor, 0 (lossless) to 51; 20 is hard to tell from the
            source.
        encoding: another than h264 at that quality.
        comment: kept in the file's header.
    """

    def __init__(
        self,
        path: str | Path,
        fps: float,
        quality: int = 20,
        encoding: Encoding | None = None,
        comment: str = "",
    ) -> None:
        self.path = Path(path)
        if self.path.suffix != ".mp4":
            raise InvalidInputError(
                f"video: expected a name ending in .mp4; got {self.path.name!r}."
            )
        if not 1 <= fps <= 1000 or not 0 <= quality <= 51:
            raise InvalidInputError(
                f"video: expected fps in 1..1000 and quality in 0..51; got {fps} and {quality}."
            )
        # 1001: what the broadcast rates (30000 / 1001) are divided by.
        self._rate = Fraction(fps).limit_denominator(1001)
        self._encoding = encoding or browser_encoding(quality)
        self._comment = comment
        self._shape: tuple[int, ...] | None = None
        self._count = 0
        self._stream: Any = None  # PyAV's types leave what a stream encodes to unknown

    def __enter__(self) -> Self:
        self._file = create_atomically(self.path)
        self._container: Any = av.open(
            str(self._file.__enter__()), "w", format="mp4", options={"movflags": "+faststart"}
        )
        if self._comment:
            self._container.metadata["comment"] = self._comment
        return self

    def write(self, frame: Frame) -> None:
        """Append one frame, shape (H, W, 3), uint8 RGB, H and W equal for all.

        An odd side repeats its last line where the pixel format has even sides only, as yuv420p.

        Raises:
            InvalidInputError: no frame, or one of another size than the first.
        """
        check_video(np.asarray(frame)[None], "frame")
        if self._stream is None:
            self._stream = self._start(frame)
        if frame.shape != self._shape:
            raise InvalidInputError(
                f"video: expected frames of shape {self._shape}; got {frame.shape}."
            )
        height, width = frame.shape[:2]
        below = self._stream.height - height
        right = self._stream.width - width
        padded = np.pad(frame, ((0, below), (0, right), (0, 0)), mode="edge")
        picture = av.VideoFrame.from_ndarray(padded, format="rgb24")
        # In units of one frame: a time in seconds would be rounded.
        picture.pts = self._count
        picture.time_base = 1 / self._rate
        self._container.mux(self._stream.encode(picture))
        self._count += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._finish()
        except BaseException as problem:
            self._close(type(problem), problem, problem.__traceback__)
            raise
        self._close(kind, error, trace)

    def _start(self, frame: Frame) -> Any:
        self._shape = frame.shape
        height, width = frame.shape[:2]
        # yuv420p keeps the color of two by two pixels, so both sides must be even.
        step = 2 if self._encoding.pixels == "yuv420p" else 1
        stream = self._container.add_stream(self._encoding.encoder, rate=self._rate)
        stream.width = math.ceil(width / step) * step
        stream.height = math.ceil(height / step) * step
        stream.pix_fmt = self._encoding.pixels
        stream.options = dict(self._encoding.options)
        return stream

    def _finish(self) -> None:
        if self._stream is None:
            raise InvalidInputError(f"video: got no frame for {self.path}; expected at least one.")
        # None drains the encoder, which holds its last frames back.
        self._container.mux(self._stream.encode(None))
        self._container.close()

    def _close(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            # Closing writes the trailer, which may fail for the very reason that brought us here (a
            # full disk).
            try:
                self._container.close()
            except av.error.FFmpegError as second:
                if error is not None:
                    error.add_note(f"closing the unfinished video failed too: {second}")
        self._file.__exit__(kind, error, trace)


def write_video(
    path: str | Path, frames: Iterable[Frame], fps: float, quality: int = 20, comment: str = ""
) -> Path:
    """Write frames, as they come, to a new mp4; see `VideoWriter`.

    Raises:
        RunExistsError: the file exists.
        InvalidInputError: no frame, frames of different sizes, a name without .mp4, fps or quality
            out of range.
    """
    with VideoWriter(path, fps, quality, comment=comment) as writer:
        for frame in frames:
            writer.write(frame)
    return writer.path


def video_info(path: str | Path, limits: VideoLimits = VideoLimits()) -> VideoInfo:
    """Read a video's header; errors as `iter_video`."""
    with _open_video(Path(path), limits) as (_, info, _):
        return info


def iter_video(path: str | Path, limits: VideoLimits = VideoLimits()) -> Iterator[Frame]:
    """Decode a local video file, one frame (H, W, 3), uint8 RGB, upright, at a time.

    Raises:
        InvalidInputError: no such file (a URL is none), no video file, or a limit exceeded.
        CorruptFileError: the file is damaged or ends before its header says; frames before the
            damage were given.
    """
    return (frame for _, frame in iter_timestamped(path, limits))


def iter_timestamped(
    path: str | Path, limits: VideoLimits = VideoLimits(), start: float = 0.0
) -> Iterator[tuple[float, Frame]]:
    """Decode frames with their times [s] from the last key frame at or before ``start`` [s]; errors
    as `iter_video`."""
    with _open_video(Path(path), limits) as (container, info, stream):
        complete = VideoIntegrity(Path(path), container, stream, info.fps)
        # A frame can be decoded from the key frame before it only.
        if start > 0:
            container.seek(int(start / (stream.time_base or 1)), stream=stream)
        for packet in container.demux(stream):
            complete.on_packet(packet)
            for picture in packet.decode():
                if picture.is_corrupt:
                    raise CorruptFileError(
                        f"{path}: frame {complete.num_frames} is damaged. {_REMEDY}"
                    )
                if complete.num_frames == limits.frames:
                    raise InvalidInputError(f"{path}: more than {limits.frames} frames, the limit.")
                time = complete.on_frame(picture)
                yield time, _upright(picture)
        # From the middle on nobody knows how many frames there should be.
        if start <= 0:
            complete.check()


def read_video(path: str | Path, limits: VideoLimits = VideoLimits()) -> Video:
    """Decode a whole video into one array, shape (T, H, W, 3), uint8 RGB; errors as
    `iter_video`."""
    frames: list[Frame] = []
    size = 0
    for frame in iter_video(path, limits):
        size += frame.nbytes
        # Counted while decoding: the header may lie about the number and size of the frames.
        if size > limits.decoded_bytes:
            raise InvalidInputError(
                f"{path}: more than {limits.decoded_bytes} bytes decoded, the limit; read it with "
                f"iter_video."
            )
        frames.append(frame)
    return np.stack(frames)


def _upright(picture: av.VideoFrame) -> Frame:
    """Shape (H, W, 3), turned as the header says: telephones store what they film on its side."""
    frame = cast(Frame, picture.to_ndarray(format="rgb24"))
    return (
        np.ascontiguousarray(np.rot90(frame, round(picture.rotation / 90)))
        if picture.rotation
        else frame
    )


@contextmanager
def _open_video(
    path: Path, limits: VideoLimits
) -> Generator[tuple[InputContainer, VideoInfo, VideoStream], None, None]:
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
            if not container.streams.video:
                raise CorruptFileError(f"{path}: holds no video stream.")
            stream = container.streams.video[0]
            if cast(Any, stream.codec_context) is None:  # PyAV's types do not say so
                raise CorruptFileError(
                    f"{path}: its codec is unknown, or its header damaged. {_REMEDY}"
                )
            stream.thread_type = "AUTO"
            yield container, _checked_info(path, container, stream, limits), stream
    except av.error.FFmpegError as error:
        raise CorruptFileError(
            f"{path}: cannot be decoded ({error.strerror}). {_REMEDY}"
        ) from error


def _checked_info(
    path: Path, container: InputContainer, stream: VideoStream, limits: VideoLimits
) -> VideoInfo:
    rate = stream.average_rate or stream.guessed_rate
    if not rate or not stream.width or not stream.height:
        raise CorruptFileError(f"{path}: the header gives no frame rate or size. {_REMEDY}")
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
            f"{path}: {info.width} x {info.height} pixels; the limit is {limits.side} a side."
        )
    if (info.frames or 0) > limits.frames or (info.seconds or 0.0) > limits.seconds:
        raise InvalidInputError(
            f"{path}: {info.frames} frames, {info.seconds} s; the limits are {limits.frames} and "
            f"{limits.seconds} s."
        )
    return info
