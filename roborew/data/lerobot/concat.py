"""Several videos one after the other in one file, packet by packet, without decoding."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
from av.container import InputContainer

from roborew.errors import CorruptFileError


def _place(path: Path) -> str:
    # Absolute, since FFmpeg takes what precedes a colon for a protocol.
    return str(path.absolute())


def stream_header(path: Path) -> bytes:
    """What a decoder must know of a stream; videos can be joined where it is equal."""
    with av.open(_place(path)) as container:
        return bytes(container.streams.video[0].codec_context.extradata or b"")


def pixel_format(path: Path) -> str:
    """How a decoder gets the pixels, FFmpeg's name: not always what the encoder was given."""
    with av.open(_place(path)) as container:
        return str(container.streams.video[0].codec_context.pix_fmt)


def concat_videos(path: Path, parts: Sequence[Path], lengths: Sequence[int], fps: int) -> None:
    """Write the frames of all parts to ``path``; part i begins at the time (frames before it) /
    fps.

    Args:
        path: the new file; its folder is made.
        parts: mp4 files of equal `stream_header`, without frames that lean on later ones.
        lengths: frames of each.
        fps: frames per second of all.

    Raises:
        CorruptFileError: a part has another number of frames.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # The index in front (faststart): a player starts before it has the whole file.
    options = {"movflags": "+faststart"}
    with cast(Any, av.open(_place(path), "w", format="mp4", options=options)) as joined:
        stream: Any = None
        start = 0
        for part, length in zip(parts, lengths, strict=True):
            with av.open(_place(part)) as container:
                if stream is None:
                    source = container.streams.video[0]
                    stream = joined.add_stream_from_template(source, opaque=True)
                    joined.metadata.update(container.metadata)
                count = _append_packets(joined, stream, container, Fraction(start, fps))
            if count != length:
                raise CorruptFileError(f"{part}: holds {count} frames; expected {length}.")
            start += length


def _append_packets(
    joined: Any, stream: Any, container: InputContainer, start_time: Fraction
) -> int:
    """Copy all packets, later by ``start_time`` [s]; returns their number."""
    source = container.streams.video[0]
    # Each part counts in its own ticks, so the shift is computed anew: exactly, as a fraction.
    shift = int(start_time / cast(Fraction, source.time_base))
    count = 0
    for packet in container.demux(source):
        if packet.pts is None:  # PyAV's last packet is empty: it flushes a decoder
            continue
        packet.pts += shift
        packet.dts = cast(int, packet.dts) + shift
        packet.stream = stream
        joined.mux(packet)
        count += 1
    return count
