"""Damage films, pictures and tables, read them in a process that is watched, and count what comes
of it.

    python -m experiments.damaged_videos.run [--number 2000] [--seed 0] [--data FOLDER] [--out FILE]

The films are real ones where there are some (``--data``, else ROBOREW_EVAL_DATA, else
../shared/data), and those that are written on the spot. Exit code 1 if any file crashed or hung the
reader, gave an error that is none of roborew's, or another number of frames or rows than the file it
was made from, or took more than two gibibytes of memory.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from experiments.damaged_videos.clips import LAWFUL, lawful
from experiments.damaged_videos.mutations import DAMAGES
from experiments.damaged_videos.originals import Original, pictures_of_all_formats, tables_of_a_set
from experiments.damaged_videos.reading import CRASH, HANG, Reader, Reading

RESULTS = Path(__file__).with_name("results.csv")
OUTCOMES = ("exact", "refused", "wrong count", "untyped error", "hang", "crash")
MEGABYTES = 2048
"""Of memory, at most."""
LARGEST = 200_000
"""Size of the largest clips that are damaged [bytes]: two thousand readings of longer ones take an
hour."""


def real_clips(folder: Path | None = None) -> list[tuple[Path, int]]:
    """Real clips with the number of their frames, counted when the manifest was made."""
    root = Path(__file__).parents[2]
    places = [
        folder,
        *(
            root / place
            for place in (os.environ.get("ROBOREW_EVAL_DATA"), "../shared/data")
            if place
        ),
    ]
    found = next(
        (place for place in places if place and (place / "manifest.jsonl").is_file()), None
    )
    if found is None:
        return []
    cases = [
        json.loads(line) for line in (found / "manifest.jsonl").read_text("utf-8").splitlines()
    ]
    clips = [(found / case["video"], case["frames"]) for case in cases]
    return [(path, frames) for path, frames in clips if path.stat().st_size <= LARGEST]


def outcome_of(reading: Reading, frames: int) -> str:
    """Which of `OUTCOMES` it is, where the undamaged file has so many frames."""
    if reading.frames is not None:
        return "exact" if reading.frames == frames else "wrong count"
    if reading.error in (HANG, CRASH):
        return reading.error
    return "refused" if reading.typed else "untyped error"


def run(originals: Sequence[Original], number: int, seed: int) -> list[dict[str, object]]:
    """Damage files of one kind in turn, each in every way; returns a row a way."""
    kind = originals[0].kind
    rng = np.random.default_rng(seed)
    readings: dict[str, list[tuple[str, Reading]]] = {damage: [] for damage in DAMAGES}
    with tempfile.TemporaryDirectory() as folder, Reader() as reader:
        for i in range(number):
            damage = list(DAMAGES)[i % len(DAMAGES)]
            original = originals[i // len(DAMAGES) % len(originals)]
            content = DAMAGES[damage](original.file.read_bytes(), rng)
            path = original.write_damaged(content, Path(folder))
            reading = reader.read(path, kind)
            if reading.error == HANG:
                # A busy machine may leave a process no time; a decoder that hangs will again.
                reading = reader.read(path, kind)
            outcome = outcome_of(reading, original.count)
            readings[damage].append((outcome, reading))
            if outcome not in OUTCOMES[:2]:
                print(f"seed {seed}, number {i}, {damage}, {original.file.name}: {reading}")
    rows = [_row(kind, damage, found) for damage, found in readings.items() if found]
    return [*rows, _row(kind, "all", [one for found in readings.values() for one in found])]


def _row(kind: str, damage: str, readings: Sequence[tuple[str, Reading]]) -> dict[str, object]:
    tally = Counter(outcome for outcome, _ in readings)
    return {
        "files": kind,
        "damage": damage,
        "tried": len(readings),
        **{outcome: tally[outcome] for outcome in OUTCOMES},
        "slowest s": f"{max(reading.seconds for _, reading in readings):.2f}",
        "most MB": f"{max(reading.megabytes for _, reading in readings):.0f}",
    }


def is_good(row: dict[str, object]) -> bool:
    """Whether each file was read or refused, in little memory."""
    return (
        not any(row[outcome] for outcome in OUTCOMES[2:]) and float(str(row["most MB"])) < MEGABYTES
    )


def make_originals(data: Path | None, folder: Path) -> list[list[Original]]:
    """Whole files, kind by kind, some of them written to ``folder``."""
    real = real_clips(data)
    print(f"{len(real)} real clips" if real else "no real clips: set ROBOREW_EVAL_DATA to them")
    clips = [*real, *(lawful(name, folder) for name in LAWFUL)]
    films = [Original("films", path, frames) for path, frames in clips]
    return [films, pictures_of_all_formats(folder), tables_of_a_set(folder / "set")]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--number", type=int, default=2000, help="damaged files of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", type=Path, help="folder with manifest.jsonl and real clips")
    parser.add_argument("--out", type=Path, default=RESULTS, help="the CSV to write")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        kinds = make_originals(chosen.data, Path(folder))
        rows = [row for kind in kinds for row in run(kind, chosen.number, chosen.seed)]
    with chosen.out.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(chosen.out.read_text())
    return int(not all(map(is_good, rows)))


if __name__ == "__main__":
    sys.exit(main())
