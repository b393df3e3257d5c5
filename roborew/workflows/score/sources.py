"""What is to be scored, wherever it lies: video files, folders of them, manifests, LeRobot data
sets."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from roborew.data import Moment, iter_sampled, side_by_side, video_info
from roborew.data.lerobot import EpisodeEntry, LeRobotSet, open_lerobot
from roborew.data.lerobot.layout import CAMERA_KEY, INFO
from roborew.data.reading import find_datasets, find_videos
from roborew.data.subsample import TimeSampler
from roborew.data.video.sampling import PREFETCHED_FRAMES, prefetch
from roborew.data.video.stacking import check_decoded_size, check_held_frames
from roborew.errors import InvalidInputError
from roborew.types import FloatArray, Video

T = TypeVar("T")


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


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmSource:
    """A video file; see `Source`.

    Attributes:
        name: of the files that are written of it.
        path: of the file.
        views: files with further views of the same moments.
        sentence: what should be done in it, None if nobody wrote it down.
    """

    name: str
    path: Path
    views: tuple[Path, ...] = ()
    sentence: str | None = None

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
        """None: a video shows pictures alone."""
        return None


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


@dataclass(frozen=True, slots=True)
class Found:
    """What was found.

    Attributes:
        sources: to be scored, in order.
        left_out: files of folders that are no videos.
    """

    sources: list[Source]
    left_out: list[Path]


def find_sources(
    paths: Sequence[Path], cameras: Sequence[str] = (), instruction: str | None = None
) -> Found:
    """Find what is to be scored.

    Args:
        paths: video files, folders of them, manifests, LeRobot data sets and folders of those.
        instruction: of videos that have none.
        cameras: for one video file, files with further views of it; elsewhere names of the cameras
            whose pictures lie side by side, the first one if none is given.

    Raises:
        InvalidInputError: nothing there, or no such camera.
        CorruptFileError: a data set or manifest is damaged.
    """
    listing = Found([], [])
    # Once each: a data set has one table of progress.
    places = [place for path in paths for place in find_datasets(path) or [path]]
    for path in dict.fromkeys(places):
        if (path / INFO).is_file():
            listing.sources.extend(_episodes(path, cameras))
            continue
        # One that is missing too: it is said of that one alone.
        if not path.is_dir() and path.suffix != ".jsonl":
            listing.sources.append(_film(path, cameras if len(paths) == 1 else ()))
            continue
        rows, left_out = find_videos(path, instruction)
        listing.left_out.extend(left_out)
        for row in rows:
            first, *views = _chosen(row["case_id"], row["cameras"], cameras)
            source = FilmSource(
                name=_file_name(row["case_id"]),
                path=first,
                views=tuple(views),
                sentence=row["instruction"],
            )
            listing.sources.append(source)
    return listing


def _file_name(case: str) -> str:
    """A name of a manifest as that of a file: those of public clips have slashes."""
    return case.replace("/", "-").replace("\\", "-")


def _film(path: Path, views: Sequence[str]) -> Source:
    return FilmSource(name=path.stem, path=path, views=tuple(map(Path, views)))


def _episodes(path: Path, cameras: Sequence[str]) -> Iterator[Source]:
    dataset = open_lerobot(path)
    keys = {key.removeprefix(CAMERA_KEY): key for key in dataset.info.cameras}
    chosen = tuple(_chosen(str(path), keys, cameras))
    start = 0
    for entry in dataset.episodes:
        yield EpisodeSource(dataset=dataset, entry=entry, cameras=chosen, start=start)
        start += entry.length


def _chosen(name: str, available: dict[str, T], cameras: Sequence[str]) -> list[T]:
    """What belongs to the cameras, the first one if none is named."""
    if not available:
        raise InvalidInputError(f"{name}: no camera; expected pictures to score.")
    if missing := [camera for camera in cameras if camera not in available]:
        raise InvalidInputError(
            f"{name}: no camera {missing[0]!r}. Available: {', '.join(available)}."
        )
    return [available[camera] for camera in cameras or list(available)[:1]]
