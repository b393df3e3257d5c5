"""Files that are whole or absent after a crash: written aside, flushed to the disk, then renamed
into place."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from roborew.errors import RoborewError

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
CONTINUE_TRAINING = "continue with `roborew train --resume RUN`"


def write_synced(path: Path, content: bytes) -> None:
    """Write a file and flush it to the disk; `atomic_write` is the one that survives a crash
    half-way."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def append(file: IO[bytes], content: bytes) -> None:
    """Append to a file that was opened without a buffer.

    Raises:
        RoborewError: the disk is full.
    """
    with explain_full_disk(Path(file.name), len(content)):
        while content:
            content = content[file.write(content) :]  # a nearly full disk takes a part, then raises


def atomic_write(path: Path, content: bytes) -> None:
    """Give ``path`` new content in one step: readers see the old file or the new one, never a
    part."""
    aside = path.with_name(f"{path.name}.tmp")
    try:
        with explain_full_disk(path, len(content)):
            write_synced(aside, content)
        aside.replace(path)
        sync_directory(path.parent)
    finally:
        aside.unlink(missing_ok=True)


def sync_directory(path: Path) -> None:
    """Flush a folder's own entries, so that a rename inside it survives a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def explain_full_disk(path: Path, needed: int, then: str = CONTINUE_TRAINING) -> Generator[None]:
    """Turn a full disk inside the block into one clear error.

    Args:
        path: what is being written.
        needed: bytes it takes.
        then: what to do once there is space.

    Raises:
        RoborewError: the disk or the quota is full; the message says how many bytes are needed and
            what stayed.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        raise RoborewError(
            f"the disk is full: {path} needs {needed:,} bytes. Nothing that was complete is lost: "
            f"free some space, then {then}."
        ) from error


def lock_directory(path: Path) -> IO[str]:
    """Lock the folder for this process, until the file is closed or the process ends."""
    file = (path / "lock").open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.seek(0)
        holder = file.read() or "another process"
        file.close()
        raise RoborewError(
            f"{path} is being written by {holder}; wait for it to end, or stop it."
        ) from error
    file.truncate(0)
    file.write(f"process {os.getpid()} on {socket.gethostname()}")
    file.flush()
    return file
