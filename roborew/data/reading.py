"""Demonstrations from disk, in whatever form they come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from roborew.data import key_frames, manifest
from roborew.data.demonstration import Demonstration, Span, current_notes
from roborew.data.lerobot import EpisodeEntry, LeRobotSet, open_lerobot
from roborew.data.lerobot.layout import CAMERA_KEY, INFO
from roborew.data.manifest_writer import MANIFEST
from roborew.data.outcomes import OUTCOMES, set_outcomes
from roborew.data.video import VIDEO_SUFFIXES
from roborew.errors import InvalidInputError
from roborew.types import FloatArray

Load = Callable[[], Demonstration]
MAX_NAMES = 8
"""Files that are named in one sentence."""
STATE, ACTION = "observation.state", "action"
"""LeRobot's columns of what an agent sees and does."""
SENTENCES = ("paraphrases", "wrong_instructions")


class DemonstrationSet(Sequence[Demonstration]):
    """A set of demonstrations; entry i is read when it is asked for, its frames when they are. A slice
    is a smaller set.

    Frame size and rate may differ from one to the next.

    Attributes:
        path: where it is.
        left_out: files there that are no videos.
    """

    def __init__(self, path: Path, loads: Sequence[Load], left_out: Sequence[Path] = ()) -> None:
        """Use `read_demonstrations`."""
        self.path = path
        self.left_out = tuple(left_out)
        self._loads = loads
        self._outcomes = set_outcomes(path)

    def __len__(self) -> int:
        return len(self._loads)

    @overload
    def __getitem__(self, index: int) -> Demonstration: ...

    @overload
    def __getitem__(self, index: slice) -> DemonstrationSet: ...

    def __getitem__(self, index: int | slice) -> Demonstration | DemonstrationSet:
        if isinstance(index, slice):
            return DemonstrationSet(self.path, self._loads[index], self.left_out)
        return self._with_outcome(self._loads[index]())

    def __iter__(self) -> Iterator[Demonstration]:
        return (self._with_outcome(load()) for load in self._loads)

    def _with_outcome(self, demonstration: Demonstration) -> Demonstration:
        """An episode, and whether it ends in success where somebody beside the set said so."""
        outcome = self._outcomes.get(demonstration.name)
        if outcome is None:
            return demonstration
        if demonstration.succeeded not in (None, outcome):
            raise InvalidInputError(
                f"{demonstration.name}: contradictory labels: success is {demonstration.succeeded} in "
                f"{self.path} and {outcome} in {OUTCOMES} there. Correct one of them."
            )
        return replace(demonstration, succeeded=outcome)


def read_demonstrations(path: str | Path, instruction: str | None = None) -> DemonstrationSet:
    """Open demonstrations: a LeRobotDataset (v3.0, v2.1), a folder with a manifest or the manifest
    itself, an episode with its key frames or a folder of such (`roborew.data.key_frames`), a folder
    of videos, or one video. Whether an episode succeeds, `roborew.data.outcomes` may say beside it.

    Args:
        path: file or folder.
        instruction: the sentence that videos without words show; needed there. For a LeRobotDataset
            it takes the place of its own sentences.

    Raises:
        InvalidInputError: nothing readable, an unfinished set, or a missing video.
        CorruptFileError: damaged.
    """
    path = Path(path)
    if (path / INFO).is_file():
        return _lerobot(path, instruction)
    videos = find_videos(path, instruction)
    if any(row["instruction"] is None for row in videos.rows):
        raise InvalidInputError(
            f"{path}: videos alone do not say what they show; give an instruction."
        )
    for row in videos.rows:
        for camera, video in row["cameras"].items():
            manifest.read_video_header(f"{row['case_id']}, {camera}", video)
    loads: list[Load] = [partial(manifest.make_demonstration, row) for row in videos.rows]
    return DemonstrationSet(path, loads, videos.left_out)


class FoundVideos(NamedTuple):
    """Videos that belong together.

    Attributes:
        rows: of a manifest, see `roborew.data.manifest.read_manifest`; the instruction is None where
            nobody says it.
        left_out: files beside them that are no videos.
    """

    rows: list[manifest.Row]
    left_out: list[Path]


def find_videos(path: Path, instruction: str | None = None) -> FoundVideos:
    """Find the videos that `read_demonstrations` reads, but those of a LeRobotDataset; none is
    opened."""
    if datasets := find_datasets(path):
        # Their files hold several episodes each, which would pass for one.
        names = ", ".join(str(dataset) for dataset in datasets[:MAX_NAMES])
        raise InvalidInputError(f"{path}: holds LeRobotDatasets, not videos; name one: {names}.")
    listed = path if path.suffix == ".jsonl" else path / MANIFEST
    if listed.is_file():
        return FoundVideos(manifest.read_manifest(listed, instruction), [])
    if episodes := key_frames.find_episodes(path, instruction):
        return FoundVideos(episodes, [])
    if not path.is_dir():
        if not path.is_file():
            raise InvalidInputError(_no_demonstrations(path))
        return FoundVideos([_row(path, path.stem, instruction)], [])
    videos, left_out = list_videos(path)
    if not videos:
        raise InvalidInputError(_no_demonstrations(path))
    rows = [_row(video, name, instruction) for name, video in _name_videos(path, videos).items()]
    return FoundVideos(rows, left_out)


def find_datasets(folder: Path) -> list[Path]:
    """The LeRobotDatasets in a folder, by name or by owner and name; none where it holds a manifest,
    videos or is one itself."""
    if any((folder / name).is_file() for name in (MANIFEST, INFO)):
        return []
    if any(_is_video(path) for path in folder.glob("*")):
        return []
    infos = [*folder.glob(f"*/{INFO}"), *folder.glob(f"*/*/{INFO}")]
    return sorted(info.parents[1] for info in infos)


def list_videos(folder: Path) -> tuple[list[Path], list[Path]]:
    """The videos of a folder, or, where it holds none itself, of the folders in it, by name; and the
    files that are no videos, hidden ones not counted."""
    files = sorted(path for path in folder.glob("*") if path.is_file())
    if not any(map(_is_video, files)):
        files = sorted(path for path in folder.rglob("*") if path.is_file())
    visible = [path for path in files if not path.name.startswith(".")]
    return list(filter(_is_video, visible)), [path for path in visible if not _is_video(path)]


def _is_video(path: Path) -> bool:
    return path.suffix.lower() in VIDEO_SUFFIXES and not path.name.startswith(".")


def _name_videos(folder: Path, videos: Sequence[Path]) -> dict[str, Path]:
    """Videos by a name of their own: their path below the folder, with its suffix where it takes
    that to tell two of them apart."""
    names: dict[str, Path] = {}
    stems = Counter(video.relative_to(folder).with_suffix("") for video in videos)
    for video in videos:
        below = video.relative_to(folder)
        stem = below.with_suffix("")
        unique = stem if stems[stem] == 1 else below
        names["-".join(unique.parts)] = video
    return names


def describe_left_out(paths: Sequence[Path]) -> str:
    """Say which files of a folder are no videos."""
    names = ", ".join(path.name for path in paths[:MAX_NAMES])
    more = f" and {len(paths) - MAX_NAMES} more" if len(paths) > MAX_NAMES else ""
    return f"left out, as their names do not end in {' '.join(VIDEO_SUFFIXES)}: {names}{more}"


def _no_demonstrations(path: Path) -> str:
    if path.with_name(f"{path.name}.unfinished").is_dir():
        return f"{path} is not finished: give the command that makes it again, and it goes on where it stopped."
    return (
        f"{path}: no demonstrations; expected a LeRobotDataset ({INFO}), a folder with "
        f"{MANIFEST}, episodes with "
        f"{key_frames.KEY_FRAMES}, videos ({' '.join(VIDEO_SUFFIXES)}) or one video."
    )


def _row(video: Path, name: str, instruction: str | None) -> manifest.Row:
    return {
        "case_id": name,
        "instruction": instruction,
        "cameras": {"front": video},
        "folder": video.parent,
    }


def _lerobot(path: Path, instruction: str | None) -> DemonstrationSet:
    opened = open_lerobot(path)
    if not opened.info.cameras:
        raise InvalidInputError(
            f"{path}: a LeRobotDataset without pictures; a demonstration needs a camera."
        )
    return DemonstrationSet(
        path,
        [lambda entry=entry: _episode(opened, entry, instruction) for entry in opened.episodes],
    )


def _episode(opened: LeRobotSet, entry: EpisodeEntry, instruction: str | None) -> Demonstration:
    """An episode under its own sentence or another; of the columns, ``progress``, ``success`` (or
    ``next.success``) and ``next.reward`` are read where they exist."""
    names = [
        name
        for name in ("progress", "success", "next.success", "next.reward", STATE, ACTION)
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
        instruction=instruction or opened.instruction(entry),
        # What is said of the set's own sentence need not hold of another.
        paraphrases=() if instruction else tuple(row.get("paraphrases") or ()),
        wrong_instructions=() if instruction else tuple(row.get("wrong_instructions") or ()),
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
        rewards=columns.get("next.reward"),
        notes=_notes(row),
    )


def _vectors(values: NDArray[Any]) -> FloatArray:
    """Columns of numbers as (T, D), float32."""
    return values.reshape(len(values), -1).astype(np.float32)


def _notes(row: Any) -> dict[str, Any]:
    """What the set says of an episode beyond what a demonstration has a place for."""
    return current_notes(
        {
            key: value
            for key, value in row.items()
            if not ("/" in key or "subtask" in key or key in SENTENCES)
        }
    )


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
