"""Which of two pieces of video is better, as somebody said: a file of lines beside a set of
demonstrations, see `roborew.data.label_file`.

<set>/preferences.jsonl   {"first": ["episode-1", 3], "second": ["episode-7", 12], "frames": 1,
                          "label": 1.0, "by": "person", "reason": ""}
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from roborew.data.label_file import LabelFile, read_labels
from roborew.errors import CorruptFileError, InvalidInputError
from roborew.storage.atomic import atomic_write
from roborew.storage.json_files import read_json_lines

PREFERENCES = "preferences.jsonl"
PAIRS = "pairs.jsonl"
"""File of pairs that somebody waits for, ``{"first": ["episode-1", 3], "second": ["episode-7", 12]}``."""

Segment = tuple[str, int]
"""Name of an episode, and the number of the first frame of a piece of it."""
Pair = tuple[Segment, Segment]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """What somebody said of two pieces of video.

    Attributes:
        first: episode and its first frame.
        second: episode and its first frame.
        frames: length of both pieces.
        label: how much speaks for the second, in [0, 1]; 0.5 is a tie; None where nobody could tell.
        by: who said so: a judge's identity, or ``person``.
        reason: why there is no label; "" where there is one.
    """

    first: Segment
    second: Segment
    frames: int = 1
    label: float | None
    by: str
    reason: str = ""

    def __post_init__(self) -> None:
        if self.label is not None and not 0 <= self.label <= 1:
            raise InvalidInputError(f"preference: expected a label in [0, 1]; got {self.label}.")
        if self.frames < 1 or min(self.first[1], self.second[1]) < 0:
            raise InvalidInputError(
                "preference: expected frames from number 0 on, at least one of each piece; got "
                f"{self.first}, {self.second} and {self.frames}."
            )

    @property
    def pair(self) -> Pair:
        """What was compared."""
        return self.first, self.second


class PreferenceFile(LabelFile[Preference]):
    """The labels of a set's pairs.

    Args:
        path: the file; made with the first label.

    Raises:
        CorruptFileError: a line that is no label.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, _from_row, asdict)


def read_preferences(path: Path) -> list[Preference]:
    """Read the labels that stand in a file; a last line that a crash cut short is none.

    Raises:
        CorruptFileError: a line that is no label, or takes back what is not there.
    """
    return read_labels(path, _from_row)


def set_preferences(folder: Path) -> list[Preference]:
    """The labels that stand beside a set of demonstrations; none where nobody labeled it."""
    path = folder / PREFERENCES
    return read_preferences(path) if path.is_file() else []


def read_pairs(path: Path) -> list[Pair]:
    """Read pairs that somebody waits for.

    Raises:
        CorruptFileError: a line that is no pair.
    """
    pairs: list[Pair] = []
    for number, row in read_json_lines(path):
        try:
            pairs.append((_segment(row["first"]), _segment(row["second"])))
        except (KeyError, ValueError, TypeError) as error:
            raise CorruptFileError(
                f"{path}, line {number}: expected a pair; got {row!r:.80} ({error})."
            ) from error
    return pairs


def write_pairs(path: Path, pairs: Sequence[Pair]) -> None:
    """Write pairs that somebody waits for, in place of earlier ones."""
    lines = [json.dumps({"first": first, "second": second}) for first, second in pairs]
    atomic_write(path, "".join(f"{line}\n" for line in lines).encode())


def _from_row(row: dict[str, Any]) -> Preference:
    label = row["label"]
    return Preference(
        first=_segment(row["first"]),
        second=_segment(row["second"]),
        frames=_whole_number(row["frames"]),
        label=None if label is None else float(label),
        by=str(row["by"]),
        reason=str(row["reason"]),
    )


def _segment(entry: Any) -> Segment:
    episode, frame = entry
    return str(episode), _whole_number(frame)


def _whole_number(value: Any) -> int:
    # JSON's true is an int to Python.
    if type(value) is not int:
        raise ValueError(f"expected a whole number; got {value!r}")
    return value
