"""One training run on disk: what was asked, with which versions, what happened, and where it can go
on.

run.json        versions, seeds, command
config.json     the resolved configuration
metrics.jsonl   one record a line
ckpt/           see `roborew.storage.checkpoints`
lock            held while a process writes here
"""

from __future__ import annotations

import itertools
import json
import logging
import os
import platform
import re
import shlex
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack
from importlib.metadata import PackageNotFoundError, version
from io import FileIO
from pathlib import Path
from typing import IO, Any, Self, TypeVar

from numpy.typing import NDArray

from roborew import __version__
from roborew.config import from_json, to_json
from roborew.errors import (
    CorruptFileError,
    InvalidInputError,
    RoborewError,
    RunExistsError,
    UnknownNameError,
)
from roborew.storage.atomic import (
    CONTINUE_TRAINING,
    append,
    atomic_write,
    explain_full_disk,
    lock_directory,
    write_synced,
)
from roborew.storage.checkpoints import Checkpoint, Checkpoints
from roborew.storage.json_files import parse_json_object, read_json_lines, read_json_object
from roborew.storage.names import check_file_name
from roborew.storage.plain import check_plain, open_plain, read_plain
from roborew.storage.staging import Target, new_folder, remove_leftovers, remove_tree

logger = logging.getLogger(__name__)

PACKAGES = ("gymnasium", "mujoco", "numpy", "stable-baselines3", "torch")
MAX_SLUG_LENGTH = 64
INFO, CONFIG, METRICS = "run.json", "config.json", "metrics.jsonl"
LABELS = "preferences"
"""Folder of what a judge was asked, which may have cost money before anything was logged."""

C = TypeVar("C")


def slugify(text: str) -> str:
    """Return ``text`` as part of a file name: [a-z0-9-], 1 to 64 characters.

    >>> slugify("Push the RED cube / onto ../the pad!")
    'push-the-red-cube-onto-the-pad'
    """
    dashed = re.sub(r"[^a-z0-9]+", "-", text.lower())
    # Stripped after the cut, which may leave a dash at the end.
    return dashed[:MAX_SLUG_LENGTH].strip("-") or "run"


def name_of_file(name: str, files: Collection[str]) -> str:
    """Return the slug of a name where files are named after it; else the name."""
    slug = slugify(name)
    return slug if name not in files and slug in files else name


def run_paths(parent: str | Path, *words: str) -> Iterator[Path]:
    """Paths below ``parent`` for `RunDirectory.create` to choose from: the words' slugs and a
    counter, ``push-v0-ppo-1``, ``push-v0-ppo-2`` and so on."""
    stem = "-".join(map(slugify, words))
    return (Path(parent) / f"{stem}-{number}" for number in itertools.count(1))


def versions() -> dict[str, str]:
    """Return the versions that decide what a run computes; nothing is imported."""
    by_package = {
        "roborew": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
    }
    for package in PACKAGES:
        try:
            by_package[package] = version(package)
        except PackageNotFoundError:
            by_package[package] = "absent"
    return by_package


class RunDirectory:
    """A run's folder. `create` and `resume` give a writer, of which there is one at a time; `open`
    gives a reader.

    A writer is a context manager: leaving it releases the folder. If the process dies, the lock
        dies with it.
    """

    def __init__(self, path: Path, lock: IO[str] | None = None) -> None:
        """Use `create`, `resume` or `open`."""
        self.path = path
        self._checkpoints = Checkpoints(path / "ckpt")
        self._lock = lock
        self._metrics: FileIO | None = None

    @classmethod
    def create(
        cls,
        path: Target,
        config: object,
        seeds: Mapping[str, int] | None = None,
    ) -> Self:
        """Make a new run; its folder appears whole.

        Args:
            path: a folder that does not exist, or several, of which the first one that is free is
                taken, see `run_paths`; its parents are made.
            config: a dataclass, saved resolved and read back by `config`.
            seeds: every seed in use, by name.

        Raises:
            RunExistsError: ``path`` exists; nothing was written.
            InvalidInputError: the last part of ``path`` is no name, or ``config`` would not be read
                back equal from JSON; nothing was written.
        """
        saved = _checked_json(config)
        if isinstance(path, str | Path):
            check_file_name(Path(path).name, "name of the run")
            _check_free(Path(path))
        command = shlex.join(sys.argv)
        info = {"versions": versions(), "seeds": seeds or {}, "command": command}
        with ExitStack() as stack:
            with explain_full_disk(Path("the run"), 0), new_folder(path) as staged:
                lock = stack.enter_context(lock_directory(staged.staging))
                _write_first_files(staged.staging, saved, info)
            run = cls(staged.path, lock)
            run._open_metrics()
            stack.pop_all()  # from here on the run closes its lock
        return run

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Open an existing run for reading; it may be in the middle of training.

        Raises:
            InvalidInputError: there is no run at ``path``.
        """
        path = Path(path)
        if not (path / INFO).is_file():
            raise InvalidInputError(
                f"{path} is no run: expected a folder made by `roborew train`, with run.json in it."
            )
        check_plain(path)
        return cls(path)

    @classmethod
    def resume(cls, path: str | Path) -> Self:
        """Open an interrupted run for writing, back at its last checkpoint: metrics logged after it
        are cut off.

        Raises:
            InvalidInputError: there is no run at ``path``.
            RoborewError: another process is writing it.
        """
        run = cls.open(path)
        run._lock = lock_directory(run.path)
        try:
            remove_leftovers(run.path)
            run._checkpoints.clean()
            checkpoint = run.load_checkpoint()
            run._cut_metrics(checkpoint.metrics_bytes if checkpoint else 0)
            run._open_metrics()
        except BaseException:
            run.close()
            raise
        # Other versions may round otherwise: the user should know, but may well want to go on.
        present = versions()
        recorded = run.info["versions"]
        changed = {name: recorded[name] for name in recorded if present.get(name) != recorded[name]}
        if changed:
            logger.warning(
                "%s was made with other versions, and may not go on exactly: %s", run.path, changed
            )
        return run

    @property
    def info(self) -> dict[str, Any]:
        """What run.json says: ``versions``, ``seeds``, ``command``.

        Raises:
            CorruptFileError: it cannot be read.
        """
        content = read_json_object(self.path / INFO)
        if not isinstance(content.get("versions"), dict):
            raise CorruptFileError(f"{self.path / INFO} cannot be read back: no versions in it.")
        return content

    def config(self, kind: type[C]) -> C:
        """Return the configuration with its types.

        Raises:
            CorruptFileError: the file is missing, or no ``kind``; the message names the field.
            InvalidInputError: it names code that would have to be imported, see ``from_file`` of
                the configuration.
        """
        file = self.path / CONFIG
        try:
            config = from_json(kind, read_json_object(file))
        except (InvalidInputError, UnknownNameError) as error:
            raise CorruptFileError(f"{file} cannot be read back: {error}") from error
        from_file = getattr(config, "from_file", None)
        return config if from_file is None else from_file(str(file))

    def log(self, record: Mapping[str, object]) -> None:
        """Append one record to the metrics.

        Only wall-clock times in a record may differ between two equal runs; leave them out where
        bytes are compared.

        Raises:
            RoborewError: this is a reader, or the disk is full.
        """
        line = json.dumps(to_json(record)).encode() + b"\n"
        append(self._writable(), line, CONTINUE_TRAINING)

    def metrics(self) -> list[dict[str, Any]]:
        """Return all complete records, oldest first.

        Raises:
            CorruptFileError: a line is no record; `resume` removes such lines.
        """
        # What follows the last newline is part of a record that a writer has not finished.
        lines = read_json_lines(self.path / METRICS, unfinished=True)
        return [record for _, record in lines]

    def save_checkpoint(
        self, step: int, arrays: dict[str, NDArray[Any]], meta: dict[str, Any]
    ) -> Path:
        """Save all that is needed to go on from here; see `Checkpoints.save`."""
        metrics = self._writable()
        with explain_full_disk(self.path / METRICS, 0, CONTINUE_TRAINING):
            os.fsync(metrics.fileno())
        return self._checkpoints.save(Checkpoint(step, arrays, meta, metrics.tell()))

    def load_checkpoint(self) -> Checkpoint | None:
        """Return the newest checkpoint that is as it was written, or None."""
        return self._checkpoints.load()

    def write_json(self, name: str, content: object) -> Path:
        """Write ``name`` in the run's folder in one step, over an older one, and return its
        path."""
        if Path(name).name != name or name in ("", ".."):
            raise InvalidInputError(f"expected a file name without folders; got {name!r}.")
        file = self.path / name
        atomic_write(file, _to_bytes(content), CONTINUE_TRAINING)
        return file

    @property
    def is_empty(self) -> bool:
        """Whether nothing was logged or saved yet."""
        has_records = (self.path / METRICS).stat().st_size > 0
        folders = (self._checkpoints.folder, self.path / LABELS)
        return not has_records and not any(folder.exists() for folder in folders)

    def discard(self) -> None:
        """Remove the folder of a run in which nothing has happened.

        Raises:
            RoborewError: this is a reader, or something was logged.
        """
        if self._metrics is None or not self.is_empty:
            raise RoborewError(f"{self.path} is no new run; remove it by hand.")
        remove_tree(self.path)
        self.close()

    def close(self) -> None:
        """Release the folder; what was logged stays."""
        for file in (self._metrics, self._lock):
            if file is not None:
                file.close()
        self._metrics = self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _writable(self) -> FileIO:
        if self._metrics is None:
            raise RoborewError(
                f"{self.path} is open for reading; use RunDirectory.create or RunDirectory.resume."
            )
        return self._metrics

    def _open_metrics(self) -> None:
        """Open the metrics unbuffered, so that a killed process loses no line."""
        self._metrics = FileIO(self.path / METRICS, "ab", opener=open_plain)

    def _cut_metrics(self, length: int) -> None:
        """Keep the whole records in the first ``length`` bytes of the metrics."""
        file = self.path / METRICS
        content = read_plain(file) if file.exists() else b""
        lines = content[:length].split(b"\n")[:-1]
        records = b"".join(line + b"\n" for line in lines if _is_record(line))
        if len(records) < length:
            logger.warning(
                "%s: %d of %d bytes are lost or damaged; training goes on without these records",
                file,
                length - len(records),
                length,
            )
        # Written anew, never cut in place: under a second name (a hard link) it may be a copy that
        # is to be kept.
        atomic_write(file, records, CONTINUE_TRAINING)


def _checked_json(config: object) -> Any:
    """The configuration as JSON, or InvalidInputError if it would not be read back equal."""
    saved = to_json(config)
    if from_json(type(config), saved) != config:
        raise InvalidInputError(
            f"config: {config!r:.200} is not the same after JSON; infinities and NaN are not."
        )
    return saved


def _check_free(path: Path) -> None:
    if not os.path.lexists(path):
        return
    way_on = "It is no run: choose another name, or remove it."
    if (path / INFO).is_file():
        way_on = (
            f"Choose another name, or go on with `roborew train --resume {shlex.quote(str(path))}`."
        )
    raise RunExistsError(f"{path} exists and is never overwritten; nothing was written. {way_on}")


def _write_first_files(folder: Path, config: Any, info: Any) -> None:
    write_synced(folder / METRICS, b"")
    write_synced(folder / CONFIG, _to_bytes(config))
    write_synced(folder / INFO, _to_bytes(info))


def _to_bytes(content: object) -> bytes:
    return json.dumps(to_json(content), indent=1).encode() + b"\n"


def _is_record(line: bytes) -> bool:
    try:
        parse_json_object(line, METRICS)
    except CorruptFileError:
        return False
    return True
