"""Whether all frames of a video were decoded: a damaged or cut file often decodes without
complaint, only shorter."""

from __future__ import annotations

import math
import re
from pathlib import Path

from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from roborew.errors import CorruptFileError

_REMEDY = "Re-encode it, or fetch it again."
_UNCOUNTED = "If its frame rate varies, copy it into an mp4, which counts its frames: ffmpeg -i FILE -c copy FILE.mp4"


class VideoIntegrity:
    """Counts what a decoder gives and compares it with what the header promises.

    The header's own count decides where there is one; an edit list may lawfully hide frames before
    the first shown
    one, back to the key frame that it needs. Matroska stores no count: there, fewer frames than
    duration times frame rate with a hole between them or an early end are damage.

    Args:
        path: of the video, for the message.
        container: opened.
        stream: that is decoded.
        fps: frames per second that the header says.
    """

    def __init__(
        self, path: Path, container: InputContainer, stream: VideoStream, fps: float
    ) -> None:
        self._path, self._stream, self._fps = path, stream, fps
        self._promised_end = _promised_end(container, stream)
        self.num_frames = 0
        """Decoded so far."""
        self._first, self._end, self._hole = math.inf, 0.0, 0.0
        self._hidden: list[float] = []

    def on_packet(self, packet: Packet[VideoStream]) -> None:
        """Take note of a packet that goes to the decoder."""
        if packet.is_discard:
            self._hidden.append(_seconds(packet.pts, self._stream))

    def on_frame(self, picture: VideoFrame) -> float:
        """Take note of a decoded frame; returns its time [s]."""
        time = float(picture.time or 0.0)
        if self.num_frames:
            self._hole = max(self._hole, time - self._end)
        self._first = min(self._first, time)
        self._end = time + (_seconds(picture.duration, self._stream) or 1 / self._fps)
        self.num_frames += 1
        return time

    def check(self) -> None:
        """Raise a `CorruptFileError` unless all frames were decoded."""
        begin, end = _seconds(self._stream.start_time, self._stream), self._promised_end
        promised = self._stream.frames or round(((end or begin) - begin) * self._fps)
        gap = max((end or 0.0) - self._end, self._hole) > 0.5 / self._fps
        before = sum(time < self._first for time in self._hidden)
        unexplained = self._stream.frames > self.num_frames + before
        if self.num_frames == 0 or (self.num_frames < promised and (gap or unexplained)):
            remedy = _REMEDY if self._stream.frames else f"{_REMEDY} {_UNCOUNTED}"
            raise CorruptFileError(
                f"{self._path}: decoded {self.num_frames} frames; the header promises {promised}. "
                f"{remedy}"
            )


def _promised_end(container: InputContainer, stream: VideoStream) -> float | None:
    """When the stream ends [s]; Matroska stores that in a tag, or for the whole file."""
    if stream.duration:
        return _seconds((stream.start_time or 0) + stream.duration, stream)
    if found := re.fullmatch(r"(\d+):(\d\d):(\d\d\.\d+)", stream.metadata.get("DURATION", "")):
        hours, minutes, seconds = map(float, found.groups())
        return 3600 * hours + 60 * minutes + seconds
    return container.duration / 1e6 if container.duration else None


def _seconds(ticks: int | None, stream: VideoStream) -> float:
    return float((ticks or 0) * (stream.time_base or 0))
