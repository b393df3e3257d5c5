"""Long films and busy machines: the memory that a film takes, and whether a set is the same again.

    python -m experiments.robustness.films [--only score fit sets] [--minutes 10] [--sets 64]

`score` and `fit` read one film of Full HD at 30 frames a second, each in a process of its own, whose
peak memory is kept. Then the same demonstrations are collected again and again as h264, beside two
processes that keep both cores busy, and compared byte for byte. A row each goes to ``films.csv``.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from experiments.critics.tables import Rows
from roborew.data.encoding import Encoding
from roborew.data.video.writing import VideoWriter

RESULTS = Path(__file__).with_name("films.csv")
KEYS = ("figure", "size")
FIGURES = ("value", "unit", "seconds", "exit_code")
WIDTH, HEIGHT, FPS = 1920, 1080, 30
EDGE = 120
"""Pixels of the square that moves through the film."""
QUICK = Encoding(
    codec="h264", encoder="libx264", pixels="yuv420p", options={"preset": "ultrafast", "crf": "30"}
)
BUSY = 2
"""Processes that do nothing but take time, beside the sets that are collected."""


def make_film(file: Path, minutes: float) -> None:
    """A square that wanders over a slope of grey: every frame is another."""
    slope = np.linspace(0, 200, WIDTH, dtype=np.uint8)
    ground = np.ascontiguousarray(np.broadcast_to(slope[None, :, None], (HEIGHT, WIDTH, 3)))
    with VideoWriter(file, FPS, encoding=QUICK) as writer:
        for number in range(round(minutes * 60 * FPS)):
            left, top = number * 3 % (WIDTH - EDGE), number * 2 % (HEIGHT - EDGE)
            square = (slice(top, top + EDGE), slice(left, left + EDGE))
            picture_below = ground[square].copy()
            ground[square] = (220, 40, 40)
            writer.write(ground)
            ground[square] = picture_below


def roborew(*words: str) -> tuple[int, float]:
    """Run a command in a process of its own; its exit code and its peak memory [MiB]."""
    child = subprocess.Popen([sys.executable, "-m", "roborew", *words], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return child.returncode, usage.ru_maxrss / 1024


def score_film(place: Path, film: Path) -> tuple[int, float, str]:
    """Peak memory of scoring a film."""
    words = ("score", str(film), "--reward", "mini", "--goal", "open the drawer")
    return *roborew(*words, "--out", str(place / "scores")), "MiB"


def fit_film(place: Path, film: Path) -> tuple[int, float, str]:
    """Peak memory of fitting a critic to a film."""
    words = ("fit", str(film), "--instruction", "move the square", "--critic", "ridge")
    return *roborew(*words, "--out", str(place / "critic")), "MiB"


def collect_again(place: Path, number: int) -> str:
    """Collect the same two episodes; one checksum of all files."""
    folder = place / f"set-{number}"
    exit_code, _ = roborew(
        "collect", "roborew/Reach-v0", "--episodes", "2", "--codec", "h264", "--out", str(folder)
    )
    if exit_code:
        raise SystemExit(f"collect ended with {exit_code}")
    whole = hashlib.sha256()
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            whole.update(str(file.relative_to(folder)).encode() + file.read_bytes())
    return whole.hexdigest()


@contextmanager
def busy_machine() -> Generator[None]:
    """Processes that take time beside what is measured."""
    children = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(BUSY)]
    try:
        yield
    finally:
        for child in children:
            child.send_signal(signal.SIGKILL)
            child.wait()


def collect_sets(place: Path, count: int) -> tuple[int, float, str]:
    """How many of the same sets differ from the first."""
    with busy_machine():
        sets = [collect_again(place, number) for number in range(count)]
    return 0, sum(other != sets[0] for other in sets), "sets that differ"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=("score", "fit", "sets"))
    parser.add_argument("--minutes", type=float, default=10.0, help="that the film lasts")
    parser.add_argument("--sets", type=int, default=64, help="collected one after the other")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    rows = Rows(options.results, KEYS, FIGURES)
    only = options.only or ("score", "fit", "sets")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        film = place / "film.mp4"
        film_size = f"{options.minutes:g} min of {WIDTH} x {HEIGHT} at {FPS} fps"
        measures: dict[str, tuple[str, Callable[[], tuple[int, float, str]]]] = {
            "score": (film_size, lambda: score_film(place, film)),
            "fit": (film_size, lambda: fit_film(place, film)),
            "sets": (f"{options.sets} h264 sets", lambda: collect_sets(place, options.sets)),
        }
        if {"score", "fit"} & set(only):
            make_film(film, options.minutes)
        for figure in only:
            size, measure = measures[figure]
            begin = time.monotonic()
            exit_code, value, unit = measure()
            seconds = round(time.monotonic() - begin)
            row = dict(zip(FIGURES, (round(value), unit, seconds, exit_code), strict=True))
            row |= {"figure": figure, "size": size}
            rows.put(row)
            print(row, flush=True)


if __name__ == "__main__":
    main()
