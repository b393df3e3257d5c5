"""Damage clips, read them in a process that is watched, and count what comes of it.

    python -m experiments.damaged_videos.run [--number 2000] [--seed 0] [--data FOLDER] [--out FILE]

The clips are real ones where there are some (``--data``, else ROBOREW_EVAL_DATA, else
../shared/data), and those that are written on the spot. Exit code 1 if any file crashed or hung the
reader, gave an error that is none of roborew's, or another number of frames than the file it was
made from.
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
from experiments.damaged_videos.reading import CRASH, HANG, Reader, Reading

RESULTS = Path(__file__).with_name("results.csv")
OUTCOMES = ("exact", "refused", "wrong count", "untyped error", "hang", "crash")
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


def run(
    clips: Sequence[tuple[Path, int]], number: int, rng: np.random.Generator
) -> list[dict[str, object]]:
    """Damage the clips in turn, each in every way; returns a row a way."""
    tallies = {kind: Counter[str]() for kind in DAMAGES}
    readings: dict[str, list[Reading]] = {kind: [] for kind in DAMAGES}
    with tempfile.TemporaryDirectory() as folder, Reader() as reader:
        for i in range(number):
            kind = list(DAMAGES)[i % len(DAMAGES)]
            clip, frames = clips[i // len(DAMAGES) % len(clips)]
            path = Path(folder) / f"damaged{clip.suffix}"
            path.write_bytes(DAMAGES[kind](clip.read_bytes(), rng))
            reading = reader.read(path)
            if (
                reading.error == HANG
            ):  # once more: a busy machine may leave a process no time, a decoder that hangs will
                reading = reader.read(path)
            outcome = outcome_of(reading, frames)
            tallies[kind][outcome] += 1
            readings[kind].append(reading)
            if outcome not in OUTCOMES[:2]:
                print(f"number {i}, {kind}, {clip.name} of {frames} frames: {outcome}, {reading}")
    rows = [_row(kind, tallies[kind], readings[kind]) for kind in DAMAGES if readings[kind]]
    return [
        *rows,
        _row(
            "all", sum(tallies.values(), Counter()), [r for each in readings.values() for r in each]
        ),
    ]


def _row(kind: str, tally: Counter[str], readings: Sequence[Reading]) -> dict[str, object]:
    counts = {outcome: tally[outcome] for outcome in OUTCOMES}
    slowest, most = max(r.seconds for r in readings), max(r.megabytes for r in readings)
    return {
        "damage": kind,
        "tried": len(readings),
        **counts,
        "slowest s": f"{slowest:.2f}",
        "most MB": f"{most:.0f}",
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--number", type=int, default=2000, help="damaged files to read")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", type=Path, help="folder with manifest.jsonl and real clips")
    parser.add_argument("--out", type=Path, default=RESULTS, help="the CSV to write")
    chosen = parser.parse_args()
    real = real_clips(chosen.data)
    print(
        f"{len(real)} real clips"
        if real
        else "no real clips: set ROBOREW_EVAL_DATA to their folder"
    )
    with tempfile.TemporaryDirectory() as folder:
        made = [lawful(name, Path(folder)) for name in LAWFUL]
        rows = run([*real, *made], chosen.number, np.random.default_rng(chosen.seed))
    with chosen.out.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(chosen.out.read_text())
    return int(any(row[outcome] for row in rows for outcome in OUTCOMES[2:]))


if __name__ == "__main__":
    sys.exit(main())
