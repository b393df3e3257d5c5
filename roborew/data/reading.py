"""Demonstrations from disk, in whatever form they come."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roborew.data import key_frames, manifest
from roborew.data.demonstration import Demonstration, Span, current_notes
from roborew.data.lerobot import EpisodeEntry, LeRobotSet, open_lerobot
from roborew.data.lerobot.layout import CAMERA_KEY, INFO
from roborew.data.manifest_writer import MANIFEST
from roborew.errors import InvalidInputError
from roborew.types import FloatArray

Load = Callable[[], Demonstration]
STATE, ACTION = "observation.state", "action"
"""LeRobot's columns of what an agent sees and does."""
SENTENCES = ("paraphrases", "wrong_instructions")


class DemonstrationSet:
    """A set of demonstrations; entry i is read when it is asked for, its frames when they are.

    Frame size and rate are the same throughout, for each camera.
    """

    def __init__(self, path: Path, loads: Sequence[Load]) -> None:
        """Use `read_demonstrations`."""
        self.path = path
        self._loads = loads

    def __len__(self) -> int:
        return len(self._loads)

    def __getitem__(self, index: int) -> Demonstration:
        return self._loads[index]()

    def __iter__(self) -> Iterator[Demonstration]:
        return (load() for load in self._loads)


def read_demonstrations(path: str | Path, instruction: str | None = None) -> DemonstrationSet:
    """Open demonstrations: a LeRobotDataset (v3.0, v2.1), a folder with a manifest or the manifest
    itself, an episode with its key frames or a folder of such (`roborew.data.key_frames`), a folder
    of mp4 files, or one video.

    Args:
        path: file or folder.
        instruction: the sentence that videos without words show; needed there, and refused for a
            LeRobotDataset, which has its own words.

    Raises:
        InvalidInputError: nothing readable, an unfinished set, a missing video, or videos of
            different size or rate.
        CorruptFileError: damaged.
    """
    path = Path(path)
    if path.is_dir() and (path / INFO).is_file():
        if instruction is not None:
            raise InvalidInputError(
                f"{path}: a LeRobotDataset has its own sentences; leave the instruction out."
            )
        return _lerobot(path)
    listed = path if path.suffix == ".jsonl" else path / MANIFEST
    if listed.is_file():
        return _same_frames(path, manifest.read_manifest(listed, instruction))
    if episodes := key_frames.find_episodes(path, instruction):
        return _same_frames(path, episodes)
    videos = sorted(path.glob("*.mp4")) if path.is_dir() else [path]
    if not videos or not videos[0].is_file():
        raise InvalidInputError(_no_demonstrations(path))
    if instruction is None:
        raise InvalidInputError(
            f"{path}: videos alone do not say what they show; give an instruction."
        )
    return _same_frames(path, [_row(video, instruction) for video in videos])


def _no_demonstrations(path: Path) -> str:
    if path.with_name(f"{path.name}.unfinished").is_dir():
        return f"{path} is not finished: give the command that makes it again, and it goes on where it stopped."
    return (
        f"{path}: no demonstrations; expected a LeRobotDataset ({INFO}), a folder with "
        f"{MANIFEST}, episodes with "
        f"{key_frames.KEY_FRAMES}, mp4 files or one video."
    )


def _row(video: Path, instruction: str) -> manifest.Row:
    return {
        "case_id": video.stem,
        "instruction": instruction,
        "cameras": {"front": video},
        "folder": video.parent,
    }


def _same_frames(path: Path, rows: Sequence[manifest.Row]) -> DemonstrationSet:
    """Demonstrations of videos, once their headers agree."""
    first_headers: dict[str, tuple[str, tuple[int, int, float]]] = {}
    for row in rows:
        for camera, video in row["cameras"].items():
            info = manifest.read_video_header(f"{row['case_id']}, {camera}", video)
            looks = (info.width, info.height, info.fps)
            # By camera: a wrist camera may differ from the front one in size.
            first_case, first = first_headers.setdefault(camera, (row["case_id"], looks))
            if looks != first:
                raise InvalidInputError(
                    f"{path}: expected one frame size and rate; {camera} of {row['case_id']} has "
                    f"{_describe_header(looks)}, of "
                    f"{first_case} {_describe_header(first)}."
                )
    # row=row: a closure would read the loop's last row when it is called.
    return DemonstrationSet(
        path, [lambda row=row: manifest.make_demonstration(row) for row in rows]
    )


def _describe_header(looks: tuple[int, int, float]) -> str:
    return f"{looks[0]} x {looks[1]} pixels at {looks[2]:g} per second"


def _lerobot(path: Path) -> DemonstrationSet:
    opened = open_lerobot(path)
    if not opened.info.cameras:
        raise InvalidInputError(
            f"{path}: a LeRobotDataset without pictures; a demonstration needs a camera."
        )
    return DemonstrationSet(
        path, [lambda entry=entry: _episode(opened, entry) for entry in opened.episodes]
    )


def _episode(opened: LeRobotSet, entry: EpisodeEntry) -> Demonstration:
    """An episode; of the columns, ``progress`` and ``success`` (or ``next.success``) are read where
    they exist."""
    names = [
        name
        for name in ("progress", "success", "next.success", STATE, ACTION)
        if name in opened.info.features
    ]
    table = opened.read(entry, names)
    rows = {name: _vectors(table.pop(name)) for name in (STATE, ACTION) if name in table}
    columns = {name: values.reshape(-1) for name, values in table.items()}
    success = columns.get("success", columns.get("next.success"))
    progress = columns.get("progress")
    cameras = {key.removeprefix(CAMERA_KEY): key for key in opened.info.cameras}
    row = entry.row
    return Demonstration(
        name=str(row.get("name") or f"episode-{entry.index:06d}"),
        instruction=opened.instruction(entry),
        paraphrases=tuple(row.get("paraphrases") or ()),
        wrong_instructions=tuple(row.get("wrong_instructions") or ()),
        length=entry.length,
        fps=float(opened.info.fps),
        cameras=tuple(cameras),
        source=lambda camera: opened.frames(entry.index, cameras[camera]),
        progress=None if progress is None else progress.astype(np.float32),
        success=None if success is None else success.astype(np.bool_),
        succeeded=None if success is None else bool(success[-1]),
        quality=row.get("quality"),
        stages=_stages(row),
        onset=row.get("onset"),
        observations=rows.get(STATE),
        actions=rows.get(ACTION),
        notes=current_notes(
            {
                key: value
                for key, value in row.items()
                if not ("/" in key or "subtask" in key or key in SENTENCES)
            }
        ),
    )


def _vectors(values: NDArray[Any]) -> FloatArray:
    """Columns of numbers as (T, D), float32."""
    return values.reshape(len(values), -1).astype(np.float32)


def _stages(row: Any) -> tuple[Span, ...] | None:
    """LeRobot's subtasks, whose last frame is theirs."""
    # LeRobot may keep coarse stages beside fine ones; progress is finer with the dense ones.
    for kind in ("dense", "sparse"):
        names = row.get(f"{kind}_subtask_names")
        if names:
            starts = row[f"{kind}_subtask_start_frames"]
            lasts = row[f"{kind}_subtask_end_frames"]
            spans = zip(names, starts, lasts, strict=True)
            # One past the last, as everywhere here; LeRobot counts the last as inside.
            return tuple(Span(name, start, last + 1) for name, start, last in spans)
    return None
