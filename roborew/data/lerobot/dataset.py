"""Reading a LeRobotDataset, v3.0 or v2.1, without lerobot: columns and frames of one episode at a
time."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from roborew.data.lerobot.info import INDEX_FEATURES, PICTURES, Info
from roborew.data.lerobot.tables import TableFile, to_numpy
from roborew.data.pictures import check_picture_header, picture_errors
from roborew.data.video import VideoLimits, iter_timestamped
from roborew.errors import CorruptFileError, InvalidInputError
from roborew.types import Frame

TOLERANCE = 1e-4
"""How far a frame's time may be from the one asked for [s]."""
SHARED_VIDEO = VideoLimits(frames=10_000_000, seconds=1e7)
"""Many episodes share a file: its length says nothing of what is decoded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeEntry:
    """Where an episode is.

    Attributes:
        index: its number.
        tasks: its sentences.
        length: its frames.
        data: the parquet file that holds its rows.
        videos: camera -> file and the episode's first moment in it [s].
        row: what else the episode table says, statistics left out.
    """

    index: int
    tasks: tuple[str, ...]
    length: int
    data: Path
    videos: Mapping[str, tuple[Path, float]]
    row: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LeRobotSet:
    """A data set opened for reading, see `roborew.data.lerobot.open_lerobot`.

    Attributes:
        root: its folder.
        info: what it says of itself.
        tasks: task number -> sentence.
        episodes: entry i is episode i.
    """

    root: Path
    info: Info
    tasks: Mapping[int, str]
    episodes: Sequence[EpisodeEntry]
    _files: dict[Path, TableFile] = field(
        default_factory=dict[Path, TableFile], init=False, repr=False, compare=False
    )

    def columns(self, index: int) -> dict[str, NDArray[Any]]:
        """The numbers and texts of an episode's frames: shape (T,) or (T, D) each; pictures are
        left out.

        Raises:
            CorruptFileError: the file is damaged, or does not hold the frames that the episode
                table promises.
        """
        episode = self.episodes[index]
        names = [
            name for name, feature in self.info.features.items() if feature["dtype"] not in PICTURES
        ]
        return self.read(episode, list(dict.fromkeys([*names, *INDEX_FEATURES])))

    def instruction(self, episode: EpisodeEntry) -> str:
        """The sentence of an episode: the first that the episode table names, else its first
        frame's task.

        Raises:
            CorruptFileError: neither is there.
        """
        if episode.tasks:
            return episode.tasks[0]
        number = int(self.read(episode, ["task_index"])["task_index"].reshape(-1)[0])
        if number not in self.tasks:
            raise CorruptFileError(
                f"{self.root}: episode {episode.index} has task {number}, which is not listed."
            )
        return self.tasks[number]

    def read(self, episode: EpisodeEntry, names: Sequence[str]) -> dict[str, NDArray[Any]]:
        """Some columns of an episode; errors as `columns`."""
        if episode.data not in self._files:
            self._files[episode.data] = TableFile(episode.data)
        table = self._files[episode.data].episode(episode.index, [*names, "frame_index"])
        # Counted first: an episode table may promise more rows than numbers fit in memory.
        if len(table) != episode.length or not np.array_equal(
            to_numpy(table, "frame_index").reshape(-1), np.arange(episode.length)
        ):
            raise CorruptFileError(
                f"{episode.data}: episode {episode.index} has {len(table)} rows; the episode "
                f"table says {episode.length}, in order."
            )
        return {name: to_numpy(table, name) for name in names}

    def frames(self, index: int, camera: str) -> Iterator[Frame]:
        """Decode an episode's frames, one (H, W, 3), uint8 RGB, at a time.

        A frame is the one at the episode's first moment in the file plus its timestamp, within
        `TOLERANCE`.

        Raises:
            InvalidInputError: no such camera or file.
            CorruptFileError: damaged, or no frame at a time where there should be one.
        """
        if camera not in self.info.cameras:
            cameras = ", ".join(self.info.cameras) or "none"
            raise InvalidInputError(f"{self.root}: no camera {camera!r}. Available: {cameras}.")
        episode = self.episodes[index]
        if self.info.features[camera]["dtype"] == "image":
            return self._pictures(episode, camera)
        return self._decoded(episode, camera)

    def _decoded(self, episode: EpisodeEntry, camera: str) -> Iterator[Frame]:
        path, start = episode.videos[camera]
        moments = iter(start + self.read(episode, ["timestamp"])["timestamp"].astype(np.float64))
        time = next(moments)
        for timestamp, frame in iter_timestamped(
            path, SHARED_VIDEO, start=max(time - TOLERANCE, 0.0)
        ):
            while abs(timestamp - time) <= TOLERANCE:
                yield frame
                time = next(moments, np.inf)
            if timestamp > time:
                break
            if time == np.inf:
                return
        raise CorruptFileError(
            f"{path}: episode {episode.index} has no frame at {time:.4f} s, within {TOLERANCE} s. "
            f"Timestamps of the "
            "table and of the video do not belong together."
        )

    def _pictures(self, episode: EpisodeEntry, camera: str) -> Iterator[Frame]:
        for number, picture in enumerate(self.read(episode, [camera])[camera]):
            name = f"{episode.data}: {camera}, frame {number} of episode {episode.index}"
            content: Any = cast("dict[str, Any]", picture or {}).get("bytes")
            if not isinstance(content, bytes):
                raise CorruptFileError(f"{name}: no picture.")
            check_picture_header(content, name)
            with picture_errors(name):
                frame = np.array(Image.open(io.BytesIO(content)).convert("RGB"), np.uint8)
            yield frame
