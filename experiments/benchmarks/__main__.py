"""``python -m experiments.benchmarks [--only NAME]``: measure, print a table, write results.csv."""

from __future__ import annotations

import argparse
import csv
import os
from dataclasses import asdict, fields, replace
from importlib import import_module
from pathlib import Path

from experiments.benchmarks.measure import Row

BENCHMARKS = (
    "drawing",
    "full",
    "stepping",
    "growing",
    "learning",
    "scoring",
    "calls",
    "serving",
    "asking",
    "suites",
)
"""Each is a module here with ``run(repeats) -> list[Row]``."""
RESULTS = Path(__file__).with_name("results.csv")
COLUMNS = [field.name for field in fields(Row)]


def _kept(path: Path, measured: tuple[str, ...]) -> list[dict[str, str]]:
    """Rows of an earlier run whose benchmark was not measured again."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [row for row in csv.DictReader(file) if row["benchmark"] not in measured]


def _write(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


def _as_text(row: Row) -> dict[str, str]:
    """The row, its settings ended by how busy the machine was."""
    busy = replace(
        row, settings=f"{row.settings}; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    )
    return {
        name: f"{value:.4g}" if isinstance(value, float) else value
        for name, value in asdict(busy).items()
    }


def _print(rows: list[dict[str, str]]) -> None:
    for row in rows:
        print(
            "{benchmark:<12}{ours:>10}{peer:>10}  {unit:<26}{ratio:>7}  {settings}".format(**row),
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m experiments.benchmarks", description=__doc__)
    parser.add_argument(
        "--only", choices=BENCHMARKS, help="measure this one; the others' rows are kept"
    )
    parser.add_argument("--repeats", type=int, default=7, help="turns that each side takes")
    parser.add_argument("--out", type=Path, default=RESULTS, help="the CSV to write")
    arguments = parser.parse_args()
    names = (arguments.only,) if arguments.only else BENCHMARKS
    print(f"{os.cpu_count()} CPU cores, load {os.getloadavg()[0]:.1f}")
    _print([dict(zip(COLUMNS, COLUMNS, strict=True))])
    for name in names:  # written one by one: a later failure costs no figure
        rows = [
            _as_text(row)
            for row in import_module(f"experiments.benchmarks.{name}").run(arguments.repeats)
        ]
        _print(rows)
        _write(arguments.out, _kept(arguments.out, (name,)) + rows)


if __name__ == "__main__":
    main()
