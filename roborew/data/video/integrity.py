"""Whether all frames of a video were decoded: a damaged or cut file often decodes without
complaint, only shorter."""

from __future__ import annotations

import math
import re
from typing import cast

from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from roborew.data.video.header import REMEDY, OpenVideo
from roborew.data.video.matroska import count_blocks
from roborew.errors import CorruptFileError

_UNCOUNTED = "Where it plays well, copy it into an mp4, which counts its frames: ffmpeg -i FILE -c copy FILE.mp4"


class VideoIntegrity:
    """Counts what a decoder gives and compares it with what the header promises.

    The header's own count decides where there is one; an edit list may lawfully hide frames before
    the first shown one, back to the key frame that it needs. Matroska stores no count: there the
    blocks of the file are counted, whose elements must fit together to its end.

    Args:
        video: that is decoded.
    """

    def __init__(self, video: OpenVideo) -> None:
        self._path = video.path
        self._stream = video.stream
        self._fps = video.info.fps
        self._promised_end = _promised_end(video.container, video.stream)
        # An AVI counts its frames and knows no times; those of its packets are in decoding order.
        self._counts_frames = video.container.format.name == "avi"
        self._is_matroska = "matroska" in video.container.format.name
        self._num_streams = len(video.container.streams)
        self.num_frames = 0
        """Decoded so far."""
        self._first_time = math.inf
        self._end_time = 0.0
        self._widest_hole = 0.0
        self._hidden_times: list[float] = []

    def on_packet(self, packet: Packet[VideoStream]) -> None:
        """Take note of a packet that goes to the decoder."""
        # Decoded but not shown, so the decoder gives no frame for it.
        if packet.is_discard:
            self._hidden_times.append(_seconds(packet.pts, self._stream))

    def on_frame(self, picture: VideoFrame) -> float:
        """Take note of a decoded frame; returns the time at which it is shown [s]."""
        # A frame without a time follows the one before.
        shown_at = cast("float | None", picture.time)
        time = self._end_time if shown_at is None else float(shown_at)
        if self.num_frames:
            self._widest_hole = max(self._widest_hole, time - self._end_time)
        self._first_time = min(self._first_time, time)
        # Some containers give a frame no duration: then it lasts until the next is due.
        self._end_time = time + (_seconds(picture.duration, self._stream) or 1 / self._fps)
        self.num_frames += 1
        return (self.num_frames - 1) / self._fps if self._counts_frames else time

    def check(self) -> None:
        """Raise a `CorruptFileError` unless all frames were decoded."""
        promised = self._stream.frames or self._frames_by_duration()
        is_damaged = self._is_damaged()
        if self._is_matroska:
            num_blocks = self._num_blocks()
            # VP8 has blocks of their own for frames that are never shown.
            if self._stream.codec_context.name != "vp8":
                promised, is_damaged = num_blocks, True
        if self.num_frames == 0 or (self.num_frames < promised and is_damaged):
            remedy = REMEDY if self._stream.frames else f"{REMEDY} {_UNCOUNTED}"
            raise CorruptFileError(
                f"{self._path}: decoded {self.num_frames} frames; the file promises {promised}. "
                f"{remedy}"
            )

    def _num_blocks(self) -> int:
        try:
            counts = count_blocks(self._path)
        except CorruptFileError as error:
            raise CorruptFileError(f"{error} {REMEDY} {_UNCOUNTED}") from error
        # A block of a track that nobody announced may have been one of ours.
        if not self._stream.index < len(counts) <= self._num_streams:
            raise CorruptFileError(
                f"{self._path}: expected frames of {self._num_streams} tracks; got some of "
                f"{len(counts)}. {REMEDY} {_UNCOUNTED}"
            )
        return counts[self._stream.index]

    def _frames_by_duration(self) -> int:
        begin = _seconds(self._stream.start_time, self._stream)
        end = self._promised_end or begin
        return round((end - begin) * self._fps)

    def _is_damaged(self) -> bool:
        """Whether an edit list or a varying frame rate cannot explain frames that are missing."""
        missing_end = (self._promised_end or 0.0) - self._end_time
        # Half a frame: less is the rounding of times to ticks.
        if max(missing_end, self._widest_hole) > 0.5 / self._fps:
            return True
        # Frames that an edit list hides lie before the first shown one; later ones were lost.
        num_hidden = sum(time < self._first_time for time in self._hidden_times)
        return self._stream.frames > self.num_frames + num_hidden


def _promised_end(container: InputContainer, stream: VideoStream) -> float | None:
    """When the stream ends [s]; Matroska stores that in a tag, or for the whole file."""
    if stream.duration:
        return _seconds((stream.start_time or 0) + stream.duration, stream)
    tag = re.fullmatch(r"(\d+):(\d\d):(\d\d\.\d+)", stream.metadata.get("DURATION", ""))
    if tag:
        hours, minutes, seconds = map(float, tag.groups())
        return 3600 * hours + 60 * minutes + seconds
    # FFmpeg counts a container's duration in microseconds.
    return container.duration / 1e6 if container.duration else None


def _seconds(ticks: int | None, stream: VideoStream) -> float:
    return float((ticks or 0) * (stream.time_base or 0))
