"""Eight `fit`s at once into one cache: does each find all that it embedded?

    python -m experiments.robustness.at_once [--fits 8]

Each process fits a critic to films of its own; all begin together. Then every fit is repeated, one
after the other, with an encoder that cannot embed: whatever was lost ends it.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from unittest.mock import patch

import numpy as np

from roborew import CriticConfig, EncoderConfig, FitConfig, fit, write_video
from roborew.encoders.embedder import Embedder
from tests.roborew.encoders.tiny_towers import tiny_dinov2

FILMS, NUM_FRAMES = 3, 12


def make_films(folder: Path, number: int) -> None:
    """Write films of which no two processes have the same."""
    folder.mkdir()
    rng = np.random.default_rng(number)
    for film in range(FILMS):
        frames = rng.integers(0, 255, (NUM_FRAMES, 48, 64, 3), np.uint8)
        write_video(folder / f"{film}.mp4", frames, 10.0)


def fit_one(place: Path, number: int, name: str) -> None:
    """Fit a critic to the films of one process, with the cache of all."""
    config = FitConfig(
        critic=CriticConfig("ridge"),
        encoder=EncoderConfig(
            "pretrained", {"library": "transformers", "model": str(place / "tower")}
        ),
        cache=place / "cache",
    )
    fit(place / f"films-{number}", config, place / f"{name}-{number}", instruction="lift")


def at_once(place: Path, fits: int) -> list[int]:
    """Fit in as many processes as there are fits; the numbers of those that failed."""
    begin_read, begin_write = os.pipe()
    children: dict[int, int] = {}
    for number in range(fits):
        child = os.fork()
        if child == 0:
            os.close(begin_write)
            os.read(begin_read, 1)  # all begin when the other end is closed
            fit_one(place, number, "critic")
            os._exit(0)
        children[child] = number
    os.close(begin_write)
    return [number for child, number in children.items() if os.waitpid(child, 0)[1]]


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fits", type=int, default=8)
    fits = parser.parse_args().fits
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        tiny_dinov2(place / "tower")
        for number in range(fits):
            make_films(place / f"films-{number}", number)
        failed = at_once(place, fits)
        kept = 0
        with patch.object(Embedder, "_run", None):
            for number in range(fits):
                fit_one(place, number, "again")
                kept += 1
    print(
        f"{fits} fits at once into one cache: {fits - len(failed)} ended well, {kept} kept theirs"
    )
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
