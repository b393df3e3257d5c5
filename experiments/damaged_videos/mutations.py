"""Damage to the bytes of a file, one function a kind; the generator decides where."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

Damage = Callable[[bytes, np.random.Generator], bytes]
HEADER = 64
"""Bytes at each end of a box's beginning that count as header."""
BOXES = (
    b"moov",
    b"mvhd",
    b"tkhd",
    b"mdhd",
    b"hdlr",
    b"stsd",
    b"avcC",
    b"stts",
    b"ctts",
    b"stss",
    b"stsc",
    b"stsz",
)
"""Names that begin the boxes of an mp4's index."""


def truncated(content: bytes, rng: np.random.Generator) -> bytes:
    return content[: rng.integers(0, len(content))]


def beheaded(content: bytes, rng: np.random.Generator) -> bytes:
    return content[rng.integers(1, len(content)) :]


def bits_flipped(content: bytes, rng: np.random.Generator) -> bytes:
    damaged = np.frombuffer(content, np.uint8).copy()
    places = rng.integers(0, len(damaged), rng.integers(1, 65))
    damaged[places] ^= (1 << rng.integers(0, 8, len(places))).astype(np.uint8)
    return damaged.tobytes()


def header_damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """Random bytes in the index: its sizes, counts, times and codec settings; where nothing is
    known of a file, in its beginning and its end."""
    damaged = bytearray(content)
    ends = [0, max(0, len(content) - HEADER)]
    starts = [place for name in BOXES if (place := content.find(name)) >= 0] or ends
    for _ in range(rng.integers(1, 9)):
        place = min(int(rng.choice(starts)) + int(rng.integers(-4, HEADER)), len(damaged) - 1)
        damaged[max(0, place)] = int(rng.integers(0, 256))
    return bytes(damaged)


def zeroed(content: bytes, rng: np.random.Generator) -> bytes:
    start = int(rng.integers(0, len(content)))
    end = min(len(content), start + int(2 ** rng.uniform(0, np.log2(len(content)))))
    return content[:start] + bytes(end - start) + content[end:]


def shuffled(content: bytes, rng: np.random.Generator) -> bytes:
    edges = [0, *sorted(rng.integers(0, len(content), rng.integers(2, 9)).tolist()), len(content)]
    chunks = [content[start:end] for start, end in pairwise(edges)]
    return b"".join(chunks[place] for place in rng.permutation(len(chunks)))


def shortened_inside(content: bytes, rng: np.random.Generator) -> bytes:
    start = int(rng.integers(0, len(content)))
    return content[:start] + content[start + int(rng.integers(1, 5000)) :]


def lengthened_inside(content: bytes, rng: np.random.Generator) -> bytes:
    start = int(rng.integers(0, len(content)))
    return content[:start] + rng.bytes(int(rng.integers(1, 5000))) + content[start:]


def noise(content: bytes, rng: np.random.Generator) -> bytes:
    return rng.bytes(len(content))


def emptied(content: bytes, rng: np.random.Generator) -> bytes:
    return b""


def untouched(content: bytes, rng: np.random.Generator) -> bytes:
    return content


DAMAGES: dict[str, Damage] = {
    function.__name__.replace("_", " "): function
    for function in (
        truncated,
        beheaded,
        bits_flipped,
        header_damaged,
        zeroed,
        shuffled,
        shortened_inside,
        lengthened_inside,
        noise,
        emptied,
        untouched,
    )
}
