"""An episode on its way into a data set: as it is given, and as a folder of its own.

<folder>/episode.json          words, stages, notes; of each camera its size, encoding and
statistics <folder>/numbers.safetensors   a column a name, a row a frame
<folder>/<camera>.mp4
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

from roborew.config import to_json
from roborew.data.encoding import Encoding
from roborew.data.feature_stats import RunningImageStats
from roborew.data.video import VideoWriter
from roborew.errors import InvalidInputError
from roborew.storage.json_files import read_json_object
from roborew.types import Frame, check_instruction


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEpisode:
    """An episode to be written.

    Attributes:
        name: unique in its set, [a-z0-9-]: part of file names.
        instruction: the goal as a sentence.
        columns: numbers of each frame, name -> (T,) or (T, D), finite.
        frames: camera -> T frames, taken as they come; the name is part of file names.
        stages: (name, first frame, one past the last frame), in order.
        notes: what holds for the episode as a whole: text, lists of it, numbers, truth values,
            None.
    """

    name: str
    instruction: str
    columns: Mapping[str, NDArray[Any]]
    frames: Mapping[str, Iterable[Frame]]
    stages: Sequence[tuple[str, int, int]] = ()
    notes: Mapping[str, str | int | float | bool | Sequence[str] | None] = field(
        default_factory=dict[str, Any]
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoFormat:
    """How the frames of a set are kept.

    Attributes:
        fps: frames per second.
        encoding: of the videos.
        drawing: how the frames were made, ``fast``, ``full`` or another word; stated in every file
            that holds them.
    """

    fps: float
    encoding: Encoding
    drawing: str


@dataclass(frozen=True)
class StagedEpisode:
    """A whole episode on the disk; `record` is what `NewEpisode` says, and for each camera its size
    and statistics."""

    path: Path

    @cached_property
    def record(self) -> dict[str, Any]:
        """``name``, ``instruction``, ``length``, ``stages``, ``notes``, ``cameras``."""
        return read_json_object(self.path / "episode.json")

    def columns(self) -> dict[str, NDArray[Any]]:
        """The numbers of each frame."""
        return load((self.path / "numbers.safetensors").read_bytes())

    def video(self, camera: str) -> Path:
        """The file of one camera."""
        return self.path / f"{camera}.mp4"


def write_episode(folder: Path, episode: NewEpisode, video_format: VideoFormat) -> None:
    """Write an episode into an empty folder.

    Raises:
        InvalidInputError: names, columns or frames that break a rule of `NewEpisode`.
    """
    length = _check_columns(episode)
    if not re.fullmatch(r"[a-z0-9-]{1,200}", episode.name):
        raise InvalidInputError(f"episode {episode.name!r}: expected a name of a-z, 0-9 and -.")
    for name in episode.frames:  # those of a critic that was fitted to other people's videos, too
        if not re.fullmatch(r"\w[\w .-]{0,100}", name):
            raise InvalidInputError(
                f"episode {episode.name!r}: expected a camera's name of letters, digits, spaces, "
                f"_, . and -, the first "
                f"of them a letter, a digit or _; got {name!r}."
            )
    cameras = {
        name: _write_camera(folder / f"{name}.mp4", frames, length, video_format)
        for name, frames in episode.frames.items()
    }
    columns = {name: np.ascontiguousarray(values) for name, values in episode.columns.items()}
    (folder / "numbers.safetensors").write_bytes(save(columns))
    record = {
        "name": episode.name,
        "instruction": check_instruction(episode.instruction),
        "length": length,
        "stages": [list(span) for span in episode.stages],
        "notes": dict(episode.notes),
        "cameras": cameras,
    }
    (folder / "episode.json").write_text(json.dumps(to_json(record)), "utf-8")


def _check_columns(episode: NewEpisode) -> int:
    """The number of frames."""
    lengths = {
        name: values.shape[0] if values.ndim else 0 for name, values in episode.columns.items()
    }
    if not lengths or min(lengths.values()) < 1 or len(set(lengths.values())) > 1:
        raise InvalidInputError(
            f"episode {episode.name!r}: expected columns of one length from 1 up; got {lengths}."
        )
    for name, values in episode.columns.items():
        if not np.isfinite(values).all():
            raise InvalidInputError(
                f"episode {episode.name!r}: column {name!r} holds NaN or infinity."
            )
    return next(iter(lengths.values()))


def _write_camera(
    path: Path, frames: Iterable[Frame], length: int, video_format: VideoFormat
) -> dict[str, Any]:
    """Write the video of one camera; returns what is known of it."""
    stats = RunningImageStats(length)
    height, width, count = 0, 0, 0
    comment = f"drawing={video_format.drawing}"
    encoding = video_format.encoding
    with VideoWriter(path, video_format.fps, encoding=encoding, comment=comment) as writer:
        for frame in frames:
            if count == 0:
                height, width = frame.shape[:2]
                _check_sides(path.stem, height, width, encoding)
            writer.write(frame)
            stats.add(frame)
            count += 1
    if count != length:
        raise InvalidInputError(f"{path.stem}: got {count} frames for columns of {length} rows.")
    return {"height": height, "width": width, "statistics": stats.result()}


def _check_sides(camera: str, height: int, width: int, encoding: Encoding) -> None:
    # A padded line would be read back as part of the frame, whose size then differs.
    if not encoding.exact and (height % 2 or width % 2):
        raise InvalidInputError(
            f"{camera}: got frames of {width} x {height} pixels; {encoding.codec} keeps even sides "
            "only. Choose another size, or the codec 'lossless'."
        )
