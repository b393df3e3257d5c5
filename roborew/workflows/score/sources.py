"""What is to be scored, wherever it lies: video files, folders of them, manifests, LeRobot data
sets."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from roborew.data import Moment, iter_sampled, side_by_side, video_info
from roborew.data.lerobot import EpisodeEntry, LeRobotSet
from roborew.data.manifest import read_numbers, read_video_header
from roborew.data.subsample import TimeSampler
from roborew.data.video.sampling import PREFETCHED_FRAMES, prefetch
from roborew.data.video.stacking import check_decoded_size, check_held_frames
from roborew.errors import InvalidInputError
from roborew.types import FloatArray, Video


@dataclass(frozen=True, slots=True)
class SampledVideo:
    """Frames of a video that are held together.

    Attributes:
        path: of the video.
        frames: shape (T, H, W, 3).
        indices: their numbers in the video, shape (T,).
        fps: of the video, frames per second on average.
        timestamps: when they are shown [s], shape (T,); by their numbers and ``fps`` if None.
        source: where they are from, which knows more of them; None if nothing does.
    """

    path: Path
    frames: Video
    indices: NDArray[np.int64]
    fps: float
    timestamps: NDArray[np.float64] | None = None
    source: Source | None = None

    @property
    def times(self) -> NDArray[np.float64]:
        """When the frames are shown [s], shape (T,)."""
        return self.indices / self.fps if self.timestamps is None else self.timestamps


class Source(Protocol):
    """A video to be scored; nothing of it is read before it is asked for."""

    @property
    def name(self) -> str:
        """Of the files that are written of it."""
        ...

    @property
    def path(self) -> Path:
        """Where it is, for people."""
        ...

    @property
    def fps(self) -> float:
        """Frames per second, on average."""
        ...

    @property
    def seconds(self) -> float | None:
        """How long it takes, None if nobody knows."""
        ...

    @property
    def num_views(self) -> int:
        """Cameras whose pictures lie side by side."""
        ...

    def instruction(self) -> str | None:
        """What it says that should be done; None if it does not."""
        ...

    def moments(self, fps: float | None) -> Iterator[Moment]:
        """Decode it, thinned to about ``fps`` frames of each second."""
        ...

    def count_frames(self, fps: float | None) -> int:
        """Frames that `moments` gives; more than fit in memory are an error."""
        ...

    def robot_states(self, key: str, indices: Sequence[int]) -> FloatArray | None:
        """What it says of the robot at these frames, (N, D), under this name; None if it does not."""
        ...

    def state_shape(self, key: str) -> list[int] | None:
        """Shape of such a state, as it stands in the set; None if there is none."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmSource:
    """A video file; see `Source`.

    Attributes:
        name: of the files that are written of it.
        path: of the file.
        views: files with further views of the same moments.
        sentence: what should be done in it, None if nobody wrote it down.
        row: of its manifest, None without one.
    """

    name: str
    path: Path
    views: tuple[Path, ...] = ()
    sentence: str | None = None
    row: Mapping[str, Any] | None = None

    @property
    def fps(self) -> float:
        """Frames per second, on average."""
        return video_info(self.path).fps

    @property
    def seconds(self) -> float | None:
        """How long it takes, None if its header does not say."""
        return video_info(self.path).seconds

    @property
    def num_views(self) -> int:
        """Cameras whose pictures lie side by side."""
        return 1 + len(self.views)

    def instruction(self) -> str | None:
        """What should be done in it."""
        return self.sentence

    def moments(self, fps: float | None) -> Iterator[Moment]:
        """Decode it; errors as `roborew.data.iter_sampled`."""
        return iter_sampled(self.path, fps, self.views)

    def count_frames(self, fps: float | None) -> int:
        """Frames that `moments` gives; more than fit in memory are an error."""
        return check_decoded_size(self.path, fps, self.num_views)

    def robot_states(self, key: str, indices: Sequence[int]) -> FloatArray | None:
        """What a set written by roborew says beside the video; None of any other video."""
        states = self._states(key)
        return None if states is None else states[np.array(indices, np.int64)]

    def state_shape(self, key: str) -> list[int] | None:
        """Shape of such a state, None if there is none."""
        states = self._states(key)
        return None if states is None else list(states.shape[1:])

    def _states(self, key: str) -> FloatArray | None:
        if self.row is None:
            return None
        length = read_video_header(self.name, self.path).frames or 0
        return read_numbers(dict(self.row), length, (key,)).get(key)


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeSource:
    """An episode of a LeRobot data set; see `Source`.

    Attributes:
        dataset: that it is in.
        entry: which one it is.
        cameras: keys of the features whose pictures lie side by side.
        start: number of its first frame in the whole set.
    """

    dataset: LeRobotSet
    entry: EpisodeEntry
    cameras: tuple[str, ...]
    start: int

    @property
    def name(self) -> str:
        """Of the files that are written of it."""
        return f"{self.dataset.root.resolve().name}-{self.path.name}"

    @property
    def path(self) -> Path:
        """The set's folder and the episode's number; no file is there."""
        return self.dataset.root / f"episode-{self.entry.index:06d}"

    @property
    def fps(self) -> float:
        """Frames per second."""
        return float(self.dataset.info.fps)

    @property
    def seconds(self) -> float | None:
        """How long it takes."""
        return self.entry.length / self.fps

    @property
    def num_views(self) -> int:
        """Cameras whose pictures lie side by side."""
        return len(self.cameras)

    def instruction(self) -> str | None:
        """The sentence that the set has for it."""
        return self.dataset.instruction(self.entry)

    def moments(self, fps: float | None) -> Iterator[Moment]:
        """Decode it; times count from its first frame."""
        sampler = TimeSampler(self.fps, fps)
        return prefetch(self._sample(sampler), PREFETCHED_FRAMES)

    def count_frames(self, fps: float | None) -> int:
        """Frames that `moments` gives; more than fit in memory are an error."""
        sampler = TimeSampler(self.fps, fps)
        count = sum(map(sampler.keeps, self._times().tolist()))
        height, width, _ = self.dataset.info.features[self.cameras[0]]["shape"]
        seconds = self.entry.length / self.fps
        check_held_frames(str(self.path), count, (height, width * self.num_views), seconds)
        return count

    def robot_states(self, key: str, indices: Sequence[int]) -> FloatArray | None:
        """The set's column of that name at these frames, (N, D), float32."""
        if key not in self.dataset.info.features:
            return None
        column = self.dataset.read(self.entry, [key])[key]
        if not np.issubdtype(column.dtype, np.number):
            raise InvalidInputError(f"{self.path}: {key} holds no numbers; got {column.dtype}.")
        states = column.astype(np.float32).reshape(len(column), -1)
        return states[np.array(indices, np.int64)]

    def state_shape(self, key: str) -> list[int] | None:
        """Shape of such a state, as the set's table of features has it; None if there is none."""
        feature = self.dataset.info.features.get(key)
        return None if feature is None else list(feature["shape"])

    def _sample(self, sampler: TimeSampler) -> Generator[Moment]:
        videos = [self.dataset.frames(self.entry.index, camera) for camera in self.cameras]
        skipped: Moment | None = None
        moments = zip(self._times().tolist(), *videos, strict=True)
        for index, (time, *views) in enumerate(moments):
            skipped = Moment(index, time, side_by_side(views))
            if sampler.keeps(time):
                yield skipped
                skipped = None
        if skipped is not None:
            yield skipped

    def _times(self) -> NDArray[np.float64]:
        column = self.dataset.read(self.entry, ["timestamp"])["timestamp"]
        return column.astype(np.float64).reshape(-1)
