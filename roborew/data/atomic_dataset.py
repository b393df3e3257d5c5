"""A data set under construction: beside its place, one whole episode after another; then it appears
in one step.

<name>.unfinished/
  request.json       what was asked for; only the same request may go on
  lock               held while a process writes here
  episodes/000000/   a whole episode: episode.json, numbers.safetensors, <camera>.mp4
  set/               the set being put together from them

A process may be killed at any moment: what it was writing then is written again, what was whole
stays.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any, Self

from roborew.config import CLASS, to_json
from roborew.data.episode import NewEpisode, StagedEpisode, VideoFormat, write_episode
from roborew.errors import CorruptFileError, InvalidInputError, RunExistsError
from roborew.storage.atomic import atomic_write, explain_full_disk, lock_directory, write_synced
from roborew.storage.json_files import read_json_object
from roborew.storage.plain import check_plain
from roborew.storage.staging import PREFIX, remove_leftovers, remove_tree, sync

REQUEST = "request.json"
PARTS = frozenset({REQUEST, "lock", "episodes", "set"})
"""What an unfinished set consists of."""
GO_ON = "give the same command again: it goes on where it stopped"
TAKEN = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR, errno.EISDIR)
"""Why a folder cannot be renamed to where something is."""
RENAMED = {"behaviours": "behaviors", "goal": "instruction", "camera": "cameras"}
"""Keys of requests as sets of roborew 0.0 spell them -> as they are called now."""


DatasetWriter = Callable[[Sequence[StagedEpisode], VideoFormat, Path], None]
"""Puts a set together in a new folder, from whole episodes; called again from the start if it was
interrupted."""


def write_dataset(
    target: str | Path,
    request: Mapping[str, Any],
    episodes: Callable[[int], Iterable[NewEpisode]],
    video_format: VideoFormat,
    writer: DatasetWriter,
    observe: Callable[[int], None] = lambda done: None,
) -> Path:
    """Write a set, or go on with one that was interrupted; a finished one is left as it is.

    Args:
        target: folder of the set; it appears whole, at the end.
        request: all that decides what is written, for JSON; it is kept in the set.
        episodes: number of the first episode wanted -> the episodes from it on. Same request, same
            episodes.
        shot: how frames are kept.
        form: the format.
        observe: called with the number of episodes that are safe on the disk, at first and after
            each.

    Raises:
        RunExistsError: something else is at ``target``; nothing was written.
        InvalidInputError: an episode that breaks a rule, those before it are kept; or a place where
            nothing can be.
        CorruptFileError: what the set here was made for cannot be read.
        RoborewError: another process writes the same set, or the disk is full.
    """
    target = Path(target)
    request = to_json(request)
    if _finished(target, request):
        # Left if a process was killed between the rename and its last step.
        _remove_rest(_aside(target))
        return target
    with UnfinishedDataset(target, request, video_format) as staging:
        observe(staging.done)
        for episode in episodes(staging.done):
            staging.add(episode)
            observe(staging.done)
        staging.publish(writer)
    return target


class UnfinishedDataset:
    """The folder beside a set's place in which it is made; a context manager that holds its
    lock."""

    def __init__(self, target: Path, request: Mapping[str, Any], video_format: VideoFormat) -> None:
        """Prepare; nothing is written before the block is entered."""
        self.target = target
        self.path = _aside(target)
        self._request = request
        self._video_format = video_format
        self._episodes = self.path / "episodes"

    def __enter__(self) -> Self:
        _check_ours(self.path)
        try:
            self._episodes.mkdir(parents=True, exist_ok=True)
            self._lock = lock_directory(self.path)
            remove_leftovers(self.path)
        except OSError as error:
            raise InvalidInputError(
                f"{self.target}: cannot be written ({error.strerror}: {error.filename}). Choose "
                f"another folder."
            ) from error
        try:
            self.done = next(n for n in count() if not self._episode(n).is_dir())
            self._claim()
        except BaseException:
            # Nobody calls `__exit__` where `__enter__` fails.
            self._lock.close()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self._lock.close()

    def _episode(self, number: int) -> Path:
        return self._episodes / f"{number:06d}"

    def _claim(self) -> None:
        """Write the request, or see that it is the one that the episodes here were made for."""
        file = self.path / REQUEST
        if self.done:
            _check_same(_read_request(file), self._request, self.path)
        else:
            atomic_write(file, json.dumps(self._request, indent=1).encode())

    def add(self, episode: NewEpisode) -> None:
        """Write the next episode; when this returns it is safe on the disk."""
        # The dot marks what is not whole: it is not counted when the set is gone on with.
        part = self._episodes / f".{self.done:06d}"
        # What a killed process left here may be torn.
        shutil.rmtree(part, ignore_errors=True)
        with explain_full_disk(part, 0, GO_ON):
            part.mkdir()
            write_episode(part, episode, self._video_format)
            # Flushed before the rename: a name must never stand for bytes that a power cut can take.
            _sync_tree(part)
            part.rename(self._episode(self.done))
            # The rename itself is safe once the folder's entries are on the disk.
            sync(self._episodes)
        self.done += 1

    def publish(self, writer: DatasetWriter) -> None:
        """Put the set together and move it to its place, in one step; what it was made from is
        removed."""
        folder = self.path / "set"
        # Begun anew: it costs links and joins only, as the episodes are encoded already.
        shutil.rmtree(folder, ignore_errors=True)
        staged = [StagedEpisode(self._episode(number)) for number in range(self.done)]
        with explain_full_disk(folder, 0, GO_ON):
            folder.mkdir()
            writer(staged, self._video_format, folder)
            write_synced(folder / REQUEST, json.dumps(self._request, indent=1).encode())
            _sync_tree(folder)
            self._move(folder)
            sync(self.target.parent)
        # Only now: until the rename is on the disk these are the only safe copy.
        remove_tree(self.path)

    def _move(self, folder: Path) -> None:
        """Move the set to its place in one step, so that nobody sees half of it."""
        try:
            folder.rename(self.target)
        except OSError as error:
            if error.errno not in TAKEN:
                raise
            # Something but an empty folder has come in the meantime.
            raise _path_exists(
                self.target, f"The set is whole at {folder}: move it where you like."
            ) from error


def _aside(target: Path) -> Path:
    return target.with_name(f"{target.name}.unfinished")


def _check_ours(unfinished: Path) -> None:
    """Raise where something else than an unfinished set has its name, or lies in it."""
    if unfinished.is_symlink():
        raise _path_exists(unfinished, "It is a link. Choose another folder.")
    if not unfinished.is_dir():
        return  # said where it is made
    foreign = [path.name for path in unfinished.iterdir() if not _is_part(path.name)]
    if foreign:
        raise _path_exists(
            unfinished,
            f"It is to hold the unfinished set, and holds {foreign[0]!r}. Choose another folder.",
        )
    check_plain(unfinished)


def _is_part(name: str) -> bool:
    return name in PARTS or name.startswith(PREFIX)


def _remove_rest(unfinished: Path) -> None:
    """Remove what a finished set was made from, where that is all there is."""
    remove_leftovers(unfinished.parent)
    if unfinished.is_symlink() or not unfinished.is_dir():
        return
    if all(_is_part(path.name) for path in unfinished.iterdir()):
        remove_tree(unfinished)


def _finished(target: Path, request: Mapping[str, Any]) -> bool:
    """Whether the set is there already; raise if something else is."""
    if not os.path.lexists(target) or (target.is_dir() and not any(target.iterdir())):
        return False
    if not (target / REQUEST).is_file():
        raise _path_exists(target, "It holds no set of roborew's. Choose another folder.")
    _check_same(_read_request(target / REQUEST), request, target)
    return True


def _read_request(file: Path) -> Mapping[str, Any]:
    try:
        request = read_json_object(file)
    except (InvalidInputError, CorruptFileError) as error:
        raise CorruptFileError(
            f"{file}: expected what the set was made for; {error} Remove {file.parent}."
        ) from error
    return {RENAMED.get(key, key): value for key, value in request.items()}


def _check_same(existing: Mapping[str, Any], request: Mapping[str, Any], path: Path) -> None:
    differing = sorted(
        # The class of the settings says nothing about the set, and had another name once.
        key
        for key in {*existing, *request} - {CLASS}
        if existing.get(key) != request.get(key)
    )
    if differing:
        differences = "; ".join(
            f"{key}: {existing.get(key)!r} there, {request.get(key)!r} asked" for key in differing
        )
        raise _path_exists(
            path,
            f"It was made for another request ({differences}). Remove it, or choose another folder.",
        )


def _path_exists(path: Path, why: str) -> RunExistsError:
    return RunExistsError(f"{path} exists and is never overwritten. {why}")


def _sync_tree(folder: Path) -> None:
    """Flush every file below a folder, and every folder's entries."""
    for place, _, names in os.walk(folder):
        for name in names:
            with (Path(place) / name).open("rb") as file:
                os.fsync(file.fileno())
        sync(Path(place))
