"""Damage folders of weights, load each in a process that is watched, and count what comes of it.

    python -m experiments.damaged_weights.run [--number 500] [--seed 0] [--out FILE]

Exit code 1 if any ended in an error that is none of roborew's, in the death of the process, took
more than ten seconds of the processor or two gibibytes of memory.
"""

from __future__ import annotations

import argparse
import csv
import logging
import multiprocessing
import resource
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from experiments.damaged_weights.damages import DAMAGES
from roborew.errors import RoborewError
from tests.contract.weight_loaders import BUILD, LOADERS

RESULTS = Path(__file__).with_name("results.csv")
OUTCOMES = ("loaded", "refused", "untyped error", "death", "too slow", "too large")
MAX_SECONDS = 10.0
"""Of the processor; a busy machine gives less of it."""
MAX_WAIT_SECONDS = 120.0
MAX_MEGABYTES = 2048


@dataclass(frozen=True)
class Loading:
    """What became of one folder."""

    outcome: str
    reason: str
    seconds: float
    megabytes: float


def load_watched(load: Callable[[str], None], folder: Path) -> Loading:
    """Load a folder in a process of its own."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_load, args=(load, str(folder), sender))
    process.start()
    sender.close()
    whole = receiver.poll(MAX_WAIT_SECONDS)
    try:
        outcome, reason, seconds, megabytes = receiver.recv() if whole else ("too slow", "", 0, 0)
    except EOFError:
        outcome, reason, seconds, megabytes = "death", "", 0.0, 0.0
    process.kill()
    process.join()
    if seconds > MAX_SECONDS:
        outcome = "too slow"
    if megabytes > MAX_MEGABYTES:
        outcome = "too large"
    return Loading(outcome, reason, seconds, megabytes)


def _load(load: Callable[[str], None], folder: str, sender: Connection) -> None:
    logging.disable(logging.CRITICAL)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    # Whatever goes wrong must not take the machine with it.
    limit = pages * resource.getpagesize() + 4 * 2**30
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    before = resource.getrusage(resource.RUSAGE_SELF)
    outcome, reason = "loaded", ""
    try:
        load(folder)
    except RoborewError as error:
        outcome, reason = "refused", str(error)
    # A panic of a library in Rust is no Exception.
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is counted
        outcome, reason = "untyped error", f"{type(error).__name__}: {error!s:.300}"
    after = resource.getrusage(resource.RUSAGE_SELF)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    sender.send((outcome, reason, seconds, after.ru_maxrss / 1024))


def run(
    number: int, seed: int, originals: Mapping[str, Path], work: Path
) -> list[dict[str, object]]:
    """Damage the folders in turn, each in every way; returns a row a way."""
    found: dict[str, list[Loading]] = {kind: [] for kind in DAMAGES}
    for case in range(number):
        damage = list(DAMAGES)[case % len(DAMAGES)]
        loader = list(LOADERS)[case // len(DAMAGES) % len(LOADERS)]
        kind, load = LOADERS[loader]
        folder = shutil.copytree(originals[kind], work / f"case-{case}")
        DAMAGES[damage](folder, np.random.default_rng([seed, case]))
        loading = load_watched(load, folder)
        shutil.rmtree(folder)
        found[damage].append(loading)
        if loading.outcome not in OUTCOMES[:2]:
            print(f"seed {seed}, case {case}, {damage}, {loader}: {loading}", flush=True)
    rows = [_row(damage, loadings) for damage, loadings in found.items() if loadings]
    return [*rows, _row("all", [one for loadings in found.values() for one in loadings])]


def _row(damage: str, loadings: Sequence[Loading]) -> dict[str, object]:
    tally = Counter(loading.outcome for loading in loadings)
    return {
        "damage": damage,
        "tried": len(loadings),
        **{outcome: tally[outcome] for outcome in OUTCOMES},
        "slowest s": f"{max(loading.seconds for loading in loadings):.2f}",
        "most MB": f"{max(loading.megabytes for loading in loadings):.0f}",
    }


def build(work: Path) -> dict[str, Path]:
    """A whole folder of every kind."""
    folders = {kind: work / kind for kind in BUILD}
    for kind, make in BUILD.items():
        folders[kind].mkdir()
        make(folders[kind])
    return folders


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--number", type=int, default=500, help="damaged folders to load")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULTS, help="the CSV to write")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        rows = run(chosen.number, chosen.seed, build(Path(name)), Path(name))
    with chosen.out.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(chosen.out.read_text())
    return int(any(row[outcome] for row in rows for outcome in OUTCOMES[2:]))


if __name__ == "__main__":
    sys.exit(main())
