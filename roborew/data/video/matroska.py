"""Counts the frames of a Matroska or WebM file, whose header does not: by its elements (RFC 9559), as
each says where it ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
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
            *(CLUSTER, VOID, CHECKSUM, 0x114D9B74, 0x1549A966, 0x1654AE6B),
            *(0x1C53BB6B, 0x1254C367, 0x1043A770, 0x1941A469),
        }
    ),
    CLUSTER: frozenset({SIMPLE_BLOCK, GROUP, VOID, CHECKSUM, *NUMBERS, 0xAF, 0x5854}),
    GROUP: frozenset(
        {
            *(BLOCK, VOID, CHECKSUM, 0x9B, 0xFB, 0xFA, 0xFD, 0xA2, 0xA4, 0x75A1, 0x75A2),
            *(0x8E, 0xC8),
        }
    ),
}
"""All that each element that is looked into may hold."""
LACED = 0x06
"""Bits of a block that holds several frames."""
MAX_ELEMENTS = 2_000_000
"""Looked at, in files that are made to hold many empty ones; ten hours of film have fewer."""


@dataclass(frozen=True, slots=True)
class _Parent:
    """An element that is looked into.

    Attributes:
        end: of its content in the file.
        children: that it may hold.
        is_open: it does not say where it ends, as what is recorded while it comes: what it cannot
            hold ends it.
    """

    end: int
    children: frozenset[int]
    is_open: bool


def count_blocks(path: Path) -> list[int]:
    """Return how many frames a whole file holds of each track, by the tracks' numbers.

    Args:
        path: of a Matroska or WebM file.

    Raises:
        CorruptFileError: an element is none of those that may stand where it stands, or ends
            outside its parent.
    """
    tracks: Counter[int] = Counter()
    with path.open("rb") as file:
        for number, begin in enumerate(_blocks(file, path.stat().st_size)):
            if number > MAX_ELEMENTS:
                raise CorruptFileError(f"{path}: more than {MAX_ELEMENTS:,} elements.")
            if begin is not None:
                tracks[_track_of(file, begin)] += 1
    return [count for _, count in sorted(tracks.items())]


def _blocks(file: BinaryIO, end: int) -> Iterator[int | None]:
    """Where each block begins; None for any other element."""
    parents = [_Parent(end, frozenset({HEADER, SEGMENT, VOID}), is_open=False)]
    place = 0
    while parents:
        parent = parents[-1]
        if place == parent.end:
            parents.pop()
            continue
        file.seek(place)
        element, _ = _read_number(file, 4)
        if parent.is_open and element not in parent.children:
            parents.pop()
            continue
        size = _read_size(file)
        content = file.tell()
        is_open = size is None and element in (SEGMENT, CLUSTER)
        element_end = parent.end if size is None else content + size
        longest = 8 if element in NUMBERS else parent.end - content
        if element not in parent.children or element_end - content > longest:
            raise CorruptFileError(f"{file.name}: {element:#x} at {place} is no good.")
        yield content if element in (SIMPLE_BLOCK, BLOCK) else None
        place = element_end
        if element in CHILDREN:
            parents.append(_Parent(element_end, CHILDREN[element], is_open))
            place = content


def _track_of(file: BinaryIO, begin: int) -> int:
    file.seek(begin)
    track, _ = _read_number(file, 8)
    # Two bytes of time, then one of flags.
    flags = file.read(3)[-1:]
    if not flags or flags[0] & LACED:
        raise CorruptFileError(f"{file.name}: a block of several frames, or of none.")
    return track


def _read_size(file: BinaryIO) -> int | None:
    """A size [bytes]; None where all of its bits are set, which stands for "unknown"."""
    number, length = _read_number(file, 8)
    values = (1 << 7 * length) - 1
    return None if number & values == values else number & values


def _read_number(file: BinaryIO, longest: int) -> tuple[int, int]:
    """A number whose leading zero bits say how many bytes follow the first, with the bit that ends
    them; and its length [bytes]."""
    first = file.read(1)
    length = 9 - first[0].bit_length() if first else 9
    rest = file.read(length - 1)
    if length > longest or len(rest) < length - 1:
        raise CorruptFileError(f"{file.name}: expected a number at {file.tell()}; got none.")
    return int.from_bytes(first + rest), length
