"""Counts the frames of a Matroska or WebM file, whose header does not: by its elements (RFC 9559), as
each says where it ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from roborew.errors import CorruptFileError

HEADER, SEGMENT, CLUSTER, GROUP = 0x1A45DFA3, 0x18538067, 0x1F43B675, 0xA0
SIMPLE_BLOCK, BLOCK = 0xA3, 0xA1
VOID, CHECKSUM = 0xEC, 0xBF
NUMBERS = frozenset({0xE7, 0xA7, 0xAB})
"""One flipped bit makes one of them of a block, but a block is longer than eight bytes."""
CHILDREN: dict[int, frozenset[int]] = {
    SEGMENT: frozenset(
        {
            *(CLUSTER, 0x114D9B74, 0x1549A966, 0x1654AE6B),
            *(0x1C53BB6B, 0x1254C367, 0x1043A770, 0x1941A469),
        }
    ),
    CLUSTER: frozenset({SIMPLE_BLOCK, GROUP, *NUMBERS}),
    GROUP: frozenset({BLOCK, 0x9B, 0xFB, 0xFA, 0xA4, 0x75A1, 0x75A2}),
}
"""What each element that is looked into may hold, beside `VOID` and `CHECKSUM`."""
LACED = 0x06
"""Bits of a block that holds several frames."""
MAX_ELEMENTS = 2_000_000
"""Looked at, in files that are made to hold many empty ones; ten hours of film have fewer."""


def count_blocks(path: Path) -> list[int]:
    """Return how many frames a whole file holds of each track, by the tracks' numbers.

    Args:
        path: of a Matroska or WebM file.

    Raises:
        CorruptFileError: an element is none of those that may stand where it stands, ends outside
            its parent, or does not say where it ends (a stream that was recorded as it came).
    """
    tracks: Counter[int] = Counter()
    with path.open("rb") as file:
        size = path.stat().st_size
        for number, begin in enumerate(_blocks(file, 0, size, frozenset({HEADER, SEGMENT}))):
            if number > MAX_ELEMENTS:
                raise CorruptFileError(f"{path}: more than {MAX_ELEMENTS:,} elements.")
            if begin is not None:
                tracks[_track_of(file, begin)] += 1
    return [count for _, count in sorted(tracks.items())]


def _blocks(file: BinaryIO, begin: int, end: int, allowed: frozenset[int]) -> Iterator[int | None]:
    """Where each block begins; None for any other element."""
    while begin < end:
        file.seek(begin)
        element = _read_number(file, 4, keep_marker=True)
        size = _read_number(file, 8)
        content = file.tell()
        begin = content + size
        longest = 8 if element in NUMBERS else end - content
        if element not in allowed | {VOID, CHECKSUM} or size > longest:
            raise CorruptFileError(f"{file.name}: element {element:#x} of {size} bytes is no good.")
        yield content if element in (SIMPLE_BLOCK, BLOCK) else None
        if element in CHILDREN:
            yield from _blocks(file, content, begin, CHILDREN[element])


def _track_of(file: BinaryIO, begin: int) -> int:
    file.seek(begin)
    track = _read_number(file, 8)
    # Two bytes of time, then one of flags.
    flags = file.read(3)[-1:]
    if not flags or flags[0] & LACED:
        raise CorruptFileError(f"{file.name}: a block of several frames, or of none.")
    return track


def _read_number(file: BinaryIO, longest: int, *, keep_marker: bool = False) -> int:
    """A number whose leading zero bits say how many bytes follow the first."""
    first = file.read(1)
    length = 9 - first[0].bit_length() if first else 9
    rest = file.read(length - 1)
    if length > longest or len(rest) < length - 1:
        raise CorruptFileError(f"{file.name}: expected a number at {file.tell()}; got none.")
    number = int.from_bytes(first + rest)
    values = (1 << 7 * length) - 1
    if not keep_marker and number & values == values:
        raise CorruptFileError(f"{file.name}: an element does not say where it ends.")
    return number if keep_marker else number & values
