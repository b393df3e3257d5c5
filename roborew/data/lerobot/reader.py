"""Opening a LeRobotDataset: which episodes there are and where, in version 3.0 and in version
2.1."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from roborew.data.lerobot import layout
from roborew.data.lerobot.dataset import EpisodeEntry, LeRobotSet
from roborew.data.lerobot.info import Info, read_info
from roborew.data.lerobot.tables import TableFile, read_tasks, rows
from roborew.errors import CorruptFileError, InvalidInputError
from roborew.storage.json_files import read_json_lines
from roborew.storage.names import fill_path


def open_lerobot(root: str | Path) -> LeRobotSet:
    """Open the data set at ``root``, the folder that holds ``meta``, ``data`` and ``videos``.

    Raises:
        InvalidInputError: no data set, a file is missing, or a version that is not read here.
        CorruptFileError: damaged, or what its tables say does not fit together.
    """
    root = Path(root)
    info = read_info(root)
    if info.version == "v2.1":
        tasks = {line["task_index"]: line["task"] for line in _lines(root / "meta/tasks.jsonl")}
        entries = [_entry_v21(root, info, line) for line in _lines(root / "meta/episodes.jsonl")]
    else:
        tasks = read_tasks(root / layout.TASKS)
        files = sorted((root / layout.EPISODES).glob("*/*.parquet"))
        entries = [
            _entry(root, info, row) for file in files for row in rows(_without_statistics(file))
        ]
    episodes = sorted(entries, key=lambda entry: entry.index)
    if [entry.index for entry in episodes] != list(range(info.episodes)):
        raise CorruptFileError(
            f"{root}: the episode table holds {len(episodes)} episodes, or not each once; "
            f"{layout.INFO} promises "
            f"{info.episodes}."
        )
    if sum(entry.length for entry in episodes) != info.frames:
        raise CorruptFileError(
            f"{root}: the episodes' lengths do not add up to the {info.frames} frames promised."
        )
    return LeRobotSet(root, info, tasks, episodes)


def _without_statistics(file: Path) -> Any:
    table = TableFile(file)
    names = [name for name in table.column_names if not name.startswith("stats/")]
    return table.read(names)


def _entry(root: Path, info: Info, row: Mapping[str, Any]) -> EpisodeEntry:
    try:
        data = fill_path(
            info.data_path,
            f"{root}: data_path",
            chunk_index=row["data/chunk_index"],
            file_index=row["data/file_index"],
        )
        videos = {
            camera: (
                _inside(
                    root,
                    fill_path(
                        info.video_path or "",
                        f"{root}: video_path",
                        video_key=camera,
                        chunk_index=row[f"videos/{camera}/chunk_index"],
                        file_index=row[f"videos/{camera}/file_index"],
                    ),
                ),
                float(row[f"videos/{camera}/from_timestamp"]),
            )
            for camera in _videos(info)
        }
        return EpisodeEntry(
            index=row["episode_index"],
            tasks=tuple(row["tasks"]),
            length=row["length"],
            data=_inside(root, data),
            videos=videos,
            row=row,
        )
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise CorruptFileError(
            f"{root}: the episode table lacks what version 3.0 has: {error!r}."
        ) from error


def _entry_v21(root: Path, info: Info, line: Mapping[str, Any]) -> EpisodeEntry:
    try:
        index = int(line["episode_index"])
        place = {"episode_chunk": index // int(info.chunks_size), "episode_index": index}
        videos = {
            camera: (_inside(root, _video_path_v21(root, info, camera, place)), 0.0)
            for camera in _videos(info)
        }
        return EpisodeEntry(
            index=index,
            tasks=tuple(line["tasks"]),
            length=line["length"],
            data=_inside(root, fill_path(info.data_path, f"{root}: data_path", **place)),
            videos=videos,
            row=line,
        )
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise CorruptFileError(
            f"{root}: meta/episodes.jsonl lacks what version 2.1 has: {error!r}."
        ) from error


def _video_path_v21(root: Path, info: Info, camera: str, place: Mapping[str, int]) -> str:
    template = info.video_path or ""
    return fill_path(template, f"{root}: video_path", video_key=camera, **place)


def _videos(info: Info) -> Iterator[str]:
    return (name for name in info.cameras if info.features[name]["dtype"] == "video")


def _inside(root: Path, relative: str) -> Path:
    """A path below ``root``; a data set of others may not name files elsewhere."""
    path = root / relative
    if not path.resolve().is_relative_to(root.resolve()):
        raise CorruptFileError(f"{root}: names the file {relative!r}, which is outside.")
    return path


def _lines(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        raise InvalidInputError(f"{path}: no such file; the data set is incomplete.")
    return [content for _, content in read_json_lines(path)]
