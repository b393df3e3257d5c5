"""What somebody said, a line each: safe on the disk as soon as it is said, whole after a crash.

A line is written once and never changed; ``{"undo": true}`` takes the last one back that stands. What
a crash leaves of a last line is cut off when the file is gone on with.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

from roborew.config import to_json
from roborew.errors import CorruptFileError, InvalidInputError
from roborew.storage.json_files import read_json_lines
from roborew.storage.lines import append_lines, cut_unfinished_line

PERSON = "person"
"""Who labeled, where it was no model."""
SKIPPED = "skipped"
"""Reason of a label that a person did not give."""
UNDO = {"undo": True}
L = TypeVar("L")
FromRow = Callable[[dict[str, Any]], L]
"""Makes a label of what stands in a line, or raises what says that it is none."""


class LabelFile(Generic[L]):
    """The labels of a set.

    Args:
        path: the file; made with the first label.
        from_row: reads a line.
        to_row: what stands in a line.

    Raises:
        CorruptFileError: a line that is no label.
    """

    def __init__(
        self, path: Path, from_row: FromRow[L], to_row: Callable[[L], Mapping[str, Any]]
    ) -> None:
        self._path, self._to_row = path, to_row
        self.labels = read_labels(path, from_row) if path.exists() else []
        """Those that stand, in the order in which they were given."""
        cut_unfinished_line(path)

    def add(self, labels: Sequence[L]) -> None:
        """Append labels; when this returns they are safe on the disk."""
        rows = (to_json(dict(self._to_row(label))) for label in labels)
        self._append([json.dumps(row, allow_nan=False) for row in rows])
        self.labels += labels

    def undo(self) -> L | None:
        """Take back the last label that stands and return it; None where there is none."""
        if not self.labels:
            return None
        self._append([json.dumps(UNDO)])
        return self.labels.pop()

    def _append(self, lines: Iterable[str]) -> None:
        append_lines(self._path, "".join(f"{line}\n" for line in lines).encode())


def read_labels(path: Path, from_row: FromRow[L]) -> list[L]:
    """Read the labels that stand in a file; a last line that a crash cut short is none.

    Raises:
        CorruptFileError: a line that is no label, or takes back what is not there.
    """
    labels: list[L] = []
    for number, row in read_json_lines(path, unfinished=True):
        try:
            if row == UNDO:
                labels.pop()
            else:
                labels.append(from_row(row))
        except (KeyError, ValueError, TypeError, IndexError, InvalidInputError) as error:
            raise CorruptFileError(
                f"{path}, line {number}: expected a label; got {row!r:.80} ({error})."
            ) from error
    return labels
