"""Writing a video file frame by frame."""

from __future__ import annotations

import math
import os
from collections.abc import Generator, Iterable
from contextlib import contextmanager, nullcontext
from fractions import Fraction
from itertools import tee
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import av.error
import numpy as np

from roborew.data.encoding import Encoding, browser_encoding
from roborew.errors import InvalidInputError
from roborew.storage.staging import Target, candidates, new_file
from roborew.types import Frame, check_video

TICK = Fraction(1, 90_000)
"""Unit of the times of a varying rate [s], the one of broadcasting."""


class VideoWriter:
    """Write an mp4 frame by frame; it appears under its name only when the block ends well.

    >>> import tempfile
    >>> from roborew.data import read_video
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with VideoWriter(f"{folder}/grey.mp4", fps=10) as writer:
    ...         for level in (0, 128, 255):
    ...             writer.write(np.full((48, 64, 3), level, np.uint8))
    ...     read_video(f"{folder}/grey.mp4").shape
    (3, 48, 64, 3)

    Args:
        path: the file to create, ending in .mp4, or several, of which the first one that is free is
            taken; at the end of the block `path` says which.
        fps: frames per second, 1 to 1000.
        quality: x264's constant rate factor, 0 (lossless) to 51; 20 is hard to tell from the
            source.
        encoding: another than h264 at that quality.
        comment: kept in the file's header.
    """

    def __init__(
        self,
        path: Target,
        fps: float,
        quality: int = 20,
        encoding: Encoding | None = None,
        comment: str = "",
    ) -> None:
        first, self._candidates = tee(candidates(path))
        self.path = next(first)
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
        self._ticks = -1
        self._tick = TICK
        self._stream: Any = None  # PyAV's types leave what a stream encodes to unknown

    def __enter__(self) -> Self:
        self._file = new_file(self._candidates)
        self._staged = self._file.__enter__()
        # Absolute, since FFmpeg takes what precedes a colon for a protocol.
        place = str(self._staged.staging.absolute())
        options = {"movflags": "+faststart"}
        try:
            self._container: Any = av.open(place, "w", format="mp4", options=options)
        except BaseException as error:
            self._file.__exit__(type(error), error, error.__traceback__)
            raise
        if self._comment:
            self._container.metadata["comment"] = self._comment
        return self

    def write(self, frame: Frame, time: float | None = None) -> None:
        """Append one frame, shape (H, W, 3), uint8 RGB, H and W equal for all.

        An odd side repeats its last line where the pixel format has even sides only, as yuv420p.

        Args:
            frame: to append.
            time: when it is shown [s], later than the one before; one frame at ``fps`` after it if
                not given. Given with all frames or with none.

        Raises:
            InvalidInputError: no frame, or one of another size than the first.
        """
        check_video(np.asarray(frame)[None], "frame")
        is_first = self._stream is None
        if is_first:
            # In units of one frame, where it can be: a time in seconds would be rounded.
            self._tick = 1 / self._rate if time is None else TICK
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
        # The encoder would convert the colors itself, on as many threads as there are cores, which
        # takes longer for small frames.
        picture = picture.reformat(format=self._encoding.pixels, threads=1)
        # A player needs times that rise, whatever a camera wrote down.
        self._ticks += 1
        if time is not None:
            self._ticks = max(self._ticks, round(time / self._tick))
        picture.pts = self._ticks
        picture.time_base = self._tick
        # The encoder is opened with the first frame.
        with _same_priority() if is_first else nullcontext():
            self._container.mux(self._stream.encode(picture))

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
        stream.codec_context.time_base = self._tick
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
        self.path = self._staged.path


@contextmanager
def _same_priority() -> Generator[None]:
    """Keep the priority of this thread while an encoder is opened: run as root, SVT-AV1 gives the thread
    that opens it that of real time, which all that it starts later would inherit."""
    if not hasattr(os, "sched_getscheduler"):
        yield
        return
    policy = os.sched_getscheduler(0)
    parameters = os.sched_getparam(0)
    try:
        yield
    finally:
        if os.sched_getscheduler(0) != policy:
            os.sched_setscheduler(0, policy, parameters)


def write_video(
    path: Target,
    frames: Iterable[Frame],
    fps: float,
    quality: int = 20,
    comment: str = "",
    times: Iterable[float] | None = None,
) -> Path:
    """Write frames, as they come, to a new mp4, shown at ``times`` [s] if given; see
    `VideoWriter`.

    Raises:
        RunExistsError: the file exists.
        InvalidInputError: no frame, frames of different sizes, a name without .mp4, fps or quality
            out of range.
    """
    with VideoWriter(path, fps, quality, comment=comment) as writer:
        if times is None:
            for frame in frames:
                writer.write(frame)
        else:
            for frame, time in zip(frames, times, strict=True):
                writer.write(frame, time)
    return writer.path
