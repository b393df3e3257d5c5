"""Where videos are: files, folders of them, manifests, LeRobot data sets and folders of those."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from roborew.data.lerobot import open_lerobot
from roborew.data.lerobot.layout import CAMERA_KEY, INFO
from roborew.data.reading import find_datasets, find_videos
from roborew.errors import InvalidInputError
from roborew.workflows.score.sources import EpisodeSource, FilmSource, Source

T = TypeVar("T")


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
                row=row,
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
