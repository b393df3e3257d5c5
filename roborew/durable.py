"""Files that are whole or absent after a crash: written aside, flushed to the disk, then renamed into place."""

from __future__ import annotations

import errno
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from roborew.errors import RoborewError

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


def write_durably(path: Path, content: bytes) -> None:
    """Write a file and flush it to the disk; `replace_durably` is the one that survives a crash half-way."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def replace_durably(path: Path, content: bytes) -> None:
    """Give ``path`` new content in one step: readers see the old file or the new one, never a part."""
    aside = path.with_name(f"{path.name}.tmp")
    try:
        with disk_space(path, len(content)):
            write_durably(aside, content)
        aside.replace(path)
        sync_folder(path.parent)
    finally:
        aside.unlink(missing_ok=True)


def sync_folder(path: Path) -> None:
    """Flush a folder's own entries, so that a rename inside it survives a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def disk_space(path: Path, needed: int) -> Generator[None]:
    """Turn a full disk inside the block into one clear error.

    Args:
        path: what is being written.
        needed: bytes it takes.

    Raises:
        RoborewError: the disk or the quota is full; the message says how many bytes are needed and what stayed.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        raise RoborewError(
            f"the disk is full: {path} needs {needed:,} bytes. Nothing that was complete is lost: "
            "free some space, then continue with `roborew train --resume RUN`."
        ) from error
