"""Whole pictures of every format and the tables of a whole data set, made on the spot."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from roborew.data.atomic_dataset import write_dataset
from roborew.data.lerobot import LeRobotWriter
from roborew.data.pictures import PICTURE_FORMATS
from tests.roborew.data.sets import LENGTHS, LOSSLESS, episodes


@dataclass(frozen=True, slots=True)
class Original:
    """A whole file.

    Attributes:
        kind: of `experiments.damaged_videos.reading.COUNTS`.
        file: that is damaged.
        count: frames or rows that are read of it.
        folder: of the data set that it is a table of; None for a file that stands alone.
    """

    kind: str
    file: Path
    count: int
    folder: Path | None = None

    def write_damaged(self, content: bytes, place: Path) -> Path:
        """Write the content in the file's stead below ``place``; returns what is to be read."""
        if self.folder is None:
            path = place / f"damaged{self.file.suffix}"
            path.write_bytes(content)
            return path
        copy = place / "set"
        shutil.copytree(self.folder, copy, dirs_exist_ok=True)
        (copy / self.file.relative_to(self.folder)).write_bytes(content)
        return copy


def pictures_of_all_formats(folder: Path) -> list[Original]:
    """A picture of grain in every format that is read."""
    folder.mkdir(exist_ok=True)
    grain = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    paths = [folder / f"picture.{name.lower()}" for name in PICTURE_FORMATS]
    for path, name in zip(paths, PICTURE_FORMATS, strict=True):
        Image.fromarray(grain).save(path, name)
    return [Original("pictures", path, 1) for path in paths]


def tables_of_a_set(folder: Path) -> list[Original]:
    """The parquet files of a LeRobot data set with words, stages and numbers."""
    write_dataset(folder, {}, episodes, LOSSLESS, LeRobotWriter())
    files = sorted(folder.rglob("*.parquet"))
    return [Original("tables", file, sum(LENGTHS), folder) for file in files]
