"""A run's saved states: arrays as safetensors, the rest as JSON, each checked by SHA-256 before it
is trusted."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from roborew.config import to_json
from roborew.errors import InvalidInputError, RoborewError
from roborew.storage.atomic import (
    CONTINUE_TRAINING,
    atomic_write,
    explain_full_disk,
    write_synced,
)
from roborew.storage.json_files import parse_json, read_json_object
from roborew.storage.plain import read_plain
from roborew.storage.staging import remove_leftovers, remove_tree, sync

logger = logging.getLogger(__name__)

NUM_CHECKPOINTS_KEPT = 2
"""Checkpoints kept: the newest, and one more in case that one cannot be read."""
_NAME = re.compile(r"step_(\d+)(\.old)?")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What was saved at one step.

    Attributes:
        step: environment steps done.
        arrays: by name, any numeric or bool dtype.
        meta: what JSON holds.
        metrics_bytes: length of the run's metrics file at that moment.
    """

    step: int
    arrays: dict[str, NDArray[Any]]
    meta: dict[str, Any]
    metrics_bytes: int


def with_prefix(arrays: Mapping[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    """The arrays with ``prefix`` before their names; `select_prefix` takes it away again."""
    return {f"{prefix}{name}": array for name, array in arrays.items()}


def select_prefix(arrays: Mapping[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    """The arrays whose names begin with ``prefix``, without it.

    >>> list(select_prefix({"network/weight": np.zeros(1), "count": np.zeros(1)}, "network/"))
    ['weight']
    """
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }


class Checkpoints:
    """The folder ``ckpt`` of a run.

    A save is written to ``step_N.tmp``, flushed, renamed to ``step_N``, and only then named in the
    file ``latest``: whatever interrupts it, the one before is whole and still named. One of the same
    step, after a resume, waits as ``step_N.old`` until the new one has its name.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, checkpoint: Checkpoint) -> Path:
        """Save a checkpoint, drop all but the newest `NUM_CHECKPOINTS_KEPT`, and return its folder.

        Raises:
            InvalidInputError: an array of objects or text, or something in ``meta`` that JSON
                cannot hold.
            RoborewError: the disk is full; the checkpoint before is intact.
        """
        files = _pack(checkpoint)
        target = self.folder / f"step_{checkpoint.step}"
        aside = target.with_suffix(".tmp")
        try:
            size = sum(map(len, files.values()))
            with explain_full_disk(target, size, CONTINUE_TRAINING):
                aside.mkdir(parents=True)
                for name, content in files.items():
                    write_synced(aside / name, content)
                sync(aside)
                before = self._set_aside(target)
                aside.rename(target)
                sync(self.folder)
                atomic_write(self.folder / "latest", target.name.encode(), CONTINUE_TRAINING)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
        for old in [before, *self._newest_first()[NUM_CHECKPOINTS_KEPT:]]:
            if old.exists():
                remove_tree(old)
        return target

    def _set_aside(self, target: Path) -> Path:
        """Free the name of a checkpoint, which can still be loaded under its new one."""
        before = target.with_suffix(".old")
        if target.exists():
            if before.exists():
                remove_tree(before)
            target.rename(before)
        return before

    def load(self) -> Checkpoint | None:
        """Return the newest checkpoint that is as it was written, or None if there is none."""
        for folder in self._newest_first():
            checkpoint = _unpack(folder)
            if checkpoint is not None:
                return checkpoint
            logger.warning(
                "checkpoint %s is damaged (checksum or missing file); trying the one before", folder
            )
        return None

    def clean(self) -> None:
        """Remove what an interrupted save left."""
        if not self.folder.is_dir():
            return
        remove_leftovers(self.folder)
        for leftover in self.folder.glob("step_*.tmp"):
            shutil.rmtree(leftover)

    def _newest_first(self) -> list[Path]:
        """All checkpoints: the one that ``latest`` names, then the others by falling step."""
        # A folder of another name, such as step_5.tmp of an interrupted save, is no checkpoint.
        names = {path: _NAME.fullmatch(path.name) for path in self.folder.glob("step_*")}
        checkpoints = {path: int(name[1]) for path, name in names.items() if name and path.is_dir()}
        pointer = self.folder / "latest"
        latest = read_plain(pointer).decode(errors="replace") if pointer.exists() else ""

        def rank(path: Path) -> tuple[bool, int, bool]:
            # ``latest`` first: after a resume from an older one, a higher step may be left behind.
            return path.name == latest, checkpoints[path], not path.suffix

        return sorted(checkpoints, key=rank, reverse=True)


def _pack(checkpoint: Checkpoint) -> dict[str, bytes]:
    arrays: dict[str, NDArray[Any]] = {}
    for name, array in checkpoint.arrays.items():
        if array.dtype.kind not in "biuf":
            raise InvalidInputError(
                f"checkpoint: array {name!r} has dtype {array.dtype}; expected numbers or bools."
            )
        # safetensors writes the memory as it lies: a transposed view would be saved scrambled.
        arrays[name] = np.require(array, requirements="C")
    rest = {
        "step": checkpoint.step,
        "metrics_bytes": checkpoint.metrics_bytes,
        "meta": checkpoint.meta,
    }
    files = {"arrays.safetensors": save(arrays), "rest.json": _dump(rest)}
    manifest = {name: _checksum(content) for name, content in files.items()}
    return {**files, "manifest.json": _dump(manifest)}


def _unpack(folder: Path) -> Checkpoint | None:
    try:
        manifest = read_json_object(folder / "manifest.json")
        files = {name: read_plain(folder / name) for name in ("arrays.safetensors", "rest.json")}
        # Checked before parsing: a half-written array would load as numbers that look right.
        if any(_checksum(content) != manifest[name] for name, content in files.items()):
            return None
        rest = parse_json(files["rest.json"], str(folder / "rest.json"))
        arrays = load(files["arrays.safetensors"])
        return Checkpoint(int(rest["step"]), arrays, dict(rest["meta"]), int(rest["metrics_bytes"]))
    except (FileNotFoundError, RoborewError, ValueError, KeyError, TypeError, SafetensorError):
        # A missing file, or one that is none.
        return None


def _checksum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _dump(value: object) -> bytes:
    return json.dumps(to_json(value), indent=1).encode()
