"""Small data sets whose content is known to the last bit."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from roborew.data.atomic_dataset import DatasetWriter, write_dataset
from roborew.data.encoding import find_encoding
from roborew.data.episode import NewEpisode, VideoFormat
from roborew.data.lerobot import LeRobotWriter, open_lerobot
from roborew.data.manifest_writer import write_manifest_dataset
from roborew.data.video import VideoWriter
from roborew.types import Frame

SIZE = (32, 48)
LOSSLESS = VideoFormat(fps=10, encoding=find_encoding("lossless"), drawing="fast")
LENGTHS = (5, 3, 7, 4)
CAMERAS = ("front", "wrist")


def frames(number: int, camera: str, size: tuple[int, int] = SIZE) -> Iterator[Frame]:
    """Frame t of episode n: the level tells n and t, the blue half tells the camera."""
    for t in range(LENGTHS[number]):
        frame = np.full((*size, 3), 40 * number + 5 * t, np.uint8)
        frame[:, : size[1] // 2, 2] = 200 if camera == "front" else 100
        yield frame


def episode(number: int, **changes: Any) -> NewEpisode:
    """Episode n, with every kind of column."""
    length = LENGTHS[number]
    rng = np.random.default_rng(number)
    progress = np.linspace(0, 1, length).astype(np.float32)
    content: dict[str, Any] = {
        "name": f"case-{number}",
        "instruction": ("open the drawer", "shut the drawer")[number % 2],
        "columns": {
            "observation.state": rng.normal(size=(length, 3)).astype(np.float32),
            "action": rng.normal(size=(length, 2)),
            "progress": progress,
            "success": progress >= 1,
            "stage": np.arange(length) // 2,
        },
        "frames": {camera: frames(number, camera) for camera in CAMERAS},
        "stages": [("approach", 0, 2), ("pull", 2, length)],
        "notes": {
            "behavior": "stall",
            "quality": "partial",
            "onset": None if number % 2 else 2,
            "seed": number + 2**33,
        },
    }
    return NewEpisode(**(content | changes))


def episodes(first: int) -> Iterable[NewEpisode]:
    """All from ``first`` on."""
    return (episode(number) for number in range(first, len(LENGTHS)))


def write(
    target: Path, writer: DatasetWriter | None = None, video_format: VideoFormat = LOSSLESS
) -> Path:
    """The whole set; LeRobot's form unless another is given."""
    return write_dataset(
        target,
        {"of": "sets", "form": type(writer).__name__},
        episodes,
        video_format,
        writer or LeRobotWriter(),
    )


def write_as_folder(target: Path) -> Path:
    """The whole set as a folder with a manifest."""
    return write(target, write_manifest_dataset)


def write_older(root: Path, path: Path) -> Path:
    """A set of all `episodes` at ``root`` once more in version 2.1, written by hand."""
    opened = open_lerobot(root)
    (path / "meta").mkdir(parents=True)
    info = json.loads((root / "meta/info.json").read_text())
    info |= {
        "codebase_version": "v2.1",
        "chunks_size": 3,
        "total_chunks": 2,
        "total_videos": 8,
        "data_path": "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet",
        "video_path": "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4",
    }
    (path / "meta/info.json").write_text(json.dumps(info))
    tasks = [{"task_index": number, "task": task} for number, task in opened.tasks.items()]
    (path / "meta/tasks.jsonl").write_text("\n".join(map(json.dumps, tasks)))
    table = pq.read_table(root / "data/chunk-000/file-000.parquet")
    rows, start = [], 0
    for number, length in enumerate(LENGTHS):
        rows.append(
            {"episode_index": number, "tasks": [episode(number).instruction], "length": length}
        )
        folder = path / f"data/chunk-{number // 3:03d}"
        folder.mkdir(parents=True, exist_ok=True)
        pq.write_table(table.slice(start, length), folder / f"episode_{number:06d}.parquet")
        start += length
        for camera in CAMERAS:
            place = (
                path
                / f"videos/chunk-{number // 3:03d}/observation.images.{camera}/episode_{number:06d}.mp4"
            )
            place.parent.mkdir(parents=True, exist_ok=True)
            with VideoWriter(place, 10, encoding=LOSSLESS.encoding) as writer:
                for frame in frames(number, camera):
                    writer.write(frame)
    (path / "meta/episodes.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return path
