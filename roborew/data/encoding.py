"""How pictures become a stream: for people, for data sets that are read at random, and without any
loss."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass

from av.codec import Codec

from roborew.errors import InvalidInputError

# The AV1 encoder reads this at its first use and else reports each stream that it opens on stderr;
# 1: errors only.
os.environ.setdefault("SVT_LOG", "1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """What an encoder is told.

    Attributes:
        codec: name of the standard, as the decoder and LeRobot call it.
        encoder: FFmpeg's name of the encoder.
        pixels: pixel format given to the encoder.
        options: the encoder's own.
        exact: whether every frame is read back as it was written.
    """

    codec: str
    encoder: str
    pixels: str
    options: Mapping[str, str]
    exact: bool = False


# With AVX-512 x264 165 (its mbtree) reads memory that nobody wrote: one episode in sixteen came out
# a few levels off. These instructions give the bits that the others do, as fast, and every processor
# of this kind that NumPy runs on has them.
_SAME_BITS = (
    {"x264-params": "asm=SSE4.2"} if platform.machine().lower() in ("x86_64", "amd64") else {}
)


def browser_encoding(quality: int) -> Encoding:
    """What every browser plays: h264 at x264's constant rate factor ``quality``, 0 to 51."""
    options = _SAME_BITS | {"crf": str(quality), "preset": "veryfast"}
    return Encoding(codec="h264", encoder="libx264", pixels="yuv420p", options=options)


# Every second frame is a key frame, so that one frame costs at most two; no frame leans on a later
# one, so that
# streams can be joined without decoding.
_RANDOM_ACCESS = {"g": "2"}
# One thread: what is written must not depend on the number of cores.
_ONE_THREAD = {"threads": "1"}
ENCODINGS: Mapping[str, Encoding] = {
    "h264": Encoding(
        codec="h264",
        encoder="libx264",
        pixels="yuv420p",
        options=_RANDOM_ACCESS
        | _ONE_THREAD
        | _SAME_BITS
        | {"crf": "20", "preset": "veryfast", "bf": "0"},
    ),
    "av1": Encoding(
        codec="av1",
        encoder="libsvtav1",
        pixels="yuv420p",
        options=_RANDOM_ACCESS | {"crf": "30", "preset": "12", "svtav1-params": "lp=1"},
    ),
    "lossless": Encoding(
        codec="h264",
        encoder="libx264rgb",
        pixels="rgb24",
        options=_RANDOM_ACCESS | _ONE_THREAD | {"crf": "0", "preset": "veryfast", "bf": "0"},
        exact=True,
    ),
}
"""Encodings of data sets by name; ``lossless`` plays in players, but in few browsers.

``av1`` is what LeRobot itself writes by default; here it is for those who ask. SVT-AV1 4.1.0 with
its own number of
threads, 40 on two cores, now and then waited for itself for ever: it gets the fewest it takes, for
the same bits.
"""


def find_encoding(name: str) -> Encoding:
    """An encoding of `ENCODINGS`.

    Raises:
        InvalidInputError: no such name, or no encoder for it here.
    """
    if name not in ENCODINGS:
        raise InvalidInputError(f"codec: got {name!r}. Available: {', '.join(ENCODINGS)}.")
    encoding = ENCODINGS[name]
    try:
        Codec(encoding.encoder, "w")
    except ValueError as error:  # PyAV's UnknownCodecError: this build lacks it
        raise InvalidInputError(
            f"codec {name!r}: this build of PyAV cannot encode it; take 'h264'."
        ) from error
    return encoding
