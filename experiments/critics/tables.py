"""A CSV that grows a row at a time: what is in it is not measured again, and a crash costs the row
under way."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path


class Rows:
    """The rows of a CSV, by the columns that name them.

    Args:
        path: of the CSV; made with the first row.
        keys: columns that together name a row.
        figures: further columns.
    """

    def __init__(self, path: Path, keys: tuple[str, ...], figures: tuple[str, ...]) -> None:
        self.path, self.keys, self._columns = path, keys, (*keys, *figures)

    def read(self) -> list[dict[str, str]]:
        """All rows."""
        if not self.path.exists():
            return []
        with self.path.open(newline="") as file:
            return list(csv.DictReader(file))

    def __contains__(self, key: tuple[object, ...]) -> bool:
        names = tuple(map(_text, key))
        return any(tuple(row[name] for name in self.keys) == names for row in self.read())

    def add(self, row: Mapping[str, object]) -> None:
        """Append a row; missing figures stay empty.

        Raises:
            ValueError: the CSV has other columns, under which the figures would come to stand.
        """
        known = self._header()
        if known not in ([], list(self._columns)):
            raise ValueError(f"{self.path}: expected the columns {self._columns}; got {known}.")
        with self.path.open("a", newline="") as file:
            writer = csv.DictWriter(file, self._columns)
            if not known:
                writer.writeheader()
            writer.writerow({name: _text(row.get(name)) for name in self._columns})

    def _header(self) -> list[str]:
        if not self.path.exists():
            return []
        with self.path.open(newline="") as file:
            return next(csv.reader(file), [])

    def put(self, row: Mapping[str, object]) -> None:
        """Write a row in the place of an earlier one of the same name, or append it."""
        written = {name: _text(row.get(name)) for name in self._columns}
        rows = {tuple(one[name] for name in self.keys): one for one in [*self.read(), written]}
        with self.path.open("w", newline="") as file:
            writer = csv.DictWriter(file, self._columns)
            writer.writeheader()
            writer.writerows(rows.values())


def _text(value: object) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
