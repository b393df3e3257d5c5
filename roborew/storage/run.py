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
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
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
from roborew.storage.atomic import append, atomic_write, explain_full_disk, lock_directory
from roborew.storage.checkpoints import Checkpoint, Checkpoints
from roborew.storage.json_files import read_json_lines, read_json_object
from roborew.storage.names import check_file_name

logger = logging.getLogger(__name__)

PACKAGES = ("gymnasium", "mujoco", "numpy", "stable-baselines3", "torch")
MAX_SLUG_LENGTH = 64

C = TypeVar("C")


def slugify(text: str) -> str:
    """Return ``text`` as part of a file name: [a-z0-9-], 1 to 64 characters.

    >>> slugify("Push the RED cube / onto ../the pad!")
    'push-the-red-cube-onto-the-pad'
    """
    dashed = re.sub(r"[^a-z0-9]+", "-", text.lower())
    # Stripped after the cut, which may leave a dash at the end.
    return dashed[:MAX_SLUG_LENGTH].strip("-") or "run"


def new_run_path(parent: str | Path, *words: str) -> Path:
    """Return a path below ``parent`` that is free: the words' slugs and a counter,
    ``push-v0-ppo-1``."""
    stem = "-".join(map(slugify, words))
    folder = Path(parent)
    numbered = (folder / f"{stem}-{number}" for number in itertools.count(1))
    # lexists: a broken link takes the name as well.
    free = (path for path in numbered if not os.path.lexists(path))
    return next(free)


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
        self._metrics: IO[bytes] | None = None

    @classmethod
    def create(
        cls, path: str | Path, config: object, seeds: Mapping[str, int] | None = None
    ) -> Self:
        """Make a new run.

        Args:
            path: a folder that does not exist; its parents are made.
            config: a dataclass, saved resolved and read back by `config`.
            seeds: every seed in use, by name.

        Raises:
            RunExistsError: ``path`` exists; nothing was written.
            InvalidInputError: the last part of ``path`` is no name, or ``config`` would not be read
                back equal from JSON; nothing was written.
        """
        path = Path(path)
        check_file_name(path.name, "name of the run")
        saved = _checked_json(config)
        _make_new_folder(path)
        run = cls(path, lock_directory(path))
        try:
            run._open_metrics(0)
            run.write_json("config.json", saved)
            # Last, because its presence is what makes the folder a run.
            command = shlex.join(sys.argv)
            run.write_json(
                "run.json", {"versions": versions(), "seeds": seeds or {}, "command": command}
            )
        except BaseException:
            run.close()
            raise
        return run

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Open an existing run for reading; it may be in the middle of training.

        Raises:
            InvalidInputError: there is no run at ``path``.
        """
        path = Path(path)
        if not (path / "run.json").is_file():
            raise InvalidInputError(
                f"{path} is no run: expected a folder made by `roborew train`, with run.json in it."
            )
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
            run._checkpoints.clean()
            checkpoint = run.load_checkpoint()
            run._open_metrics(checkpoint.metrics_bytes if checkpoint else 0)
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
        """What run.json says: ``versions``, ``seeds``, ``command``."""
        return read_json_object(self.path / "run.json")

    def config(self, kind: type[C]) -> C:
        """Return the configuration with its types.

        Raises:
            CorruptFileError: the file is missing, or no ``kind``; the message names the field.
        """
        file = self.path / "config.json"
        try:
            return from_json(kind, read_json_object(file))
        except (InvalidInputError, UnknownNameError) as error:
            raise CorruptFileError(f"{file} cannot be read back: {error}") from error

    def log(self, record: Mapping[str, object]) -> None:
        """Append one record to the metrics.

        Only wall-clock times in a record may differ between two equal runs; leave them out where
        bytes are compared.

        Raises:
            RoborewError: this is a reader, or the disk is full.
        """
        line = json.dumps(to_json(record)).encode() + b"\n"
        append(self._writable(), line)

    def metrics(self) -> list[dict[str, Any]]:
        """Return all complete records, oldest first."""
        # What follows the last newline is part of a record that a writer has not finished.
        lines = read_json_lines(self.path / "metrics.jsonl", unfinished=True)
        return [record for _, record in lines]

    def save_checkpoint(
        self, step: int, arrays: dict[str, NDArray[Any]], meta: dict[str, Any]
    ) -> Path:
        """Save all that is needed to go on from here; see `Checkpoints.save`."""
        metrics = self._writable()
        with explain_full_disk(self.path / "metrics.jsonl", 0):
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
        text = json.dumps(to_json(content), indent=1)
        atomic_write(file, text.encode() + b"\n")
        return file

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

    def _writable(self) -> IO[bytes]:
        if self._metrics is None:
            raise RoborewError(
                f"{self.path} is open for reading; use RunDirectory.create or RunDirectory.resume."
            )
        return self._metrics

    def _open_metrics(self, length: int) -> None:
        """Open the metrics unbuffered, so that a killed process loses no line, cut to ``length``
        bytes."""
        self._metrics = (self.path / "metrics.jsonl").open("ab", buffering=0)
        self._metrics.truncate(length)
        self._metrics.seek(length)


def _checked_json(config: object) -> Any:
    """The configuration as JSON, or InvalidInputError if it would not be read back equal."""
    saved = to_json(config)
    if from_json(type(config), saved) != config:
        raise InvalidInputError(
            f"config: {config!r:.200} is not the same after JSON; infinities and NaN are not."
        )
    return saved


def _make_new_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True)
    except FileExistsError as error:
        raise RunExistsError(
            f"{path} exists and is never overwritten; nothing was written. "
            f"Choose another name, or go on with `roborew train --resume "
            f"{shlex.quote(str(path))}`."
        ) from error
