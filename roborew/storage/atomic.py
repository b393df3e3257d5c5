"""Files that are whole or absent after a crash: written aside, flushed to the disk, then renamed
into place."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
from collections.abc import Generator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import IO

from roborew.errors import DiskFullError, RoborewError
from roborew.storage.plain import open_plain
from roborew.storage.staging import staging_file, sync

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
GO_ON = "give the same command again"
CONTINUE_TRAINING = "continue with `roborew train --resume RUN`"


def write_synced(path: Path, content: bytes) -> None:
    """Write a file and flush it to the disk; `atomic_write` is the one that survives a crash
    half-way."""
    with open(path, "wb", opener=open_plain) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def append(file: FileIO, content: bytes, then: str = GO_ON) -> None:
    """Append to a file that was opened without a buffer.

    Raises:
        DiskFullError: see `explain_full_disk`, also for ``then``.
    """
    with explain_full_disk(Path(file.name), len(content), then):
        while content:
            content = content[file.write(content) :]  # a nearly full disk takes a part, then raises


def atomic_write(path: Path, content: bytes, then: str = GO_ON) -> None:
    """Give ``path`` new content in one step: readers see the old file or the new one, never a part.

    Raises:
        DiskFullError: see `explain_full_disk`, also for ``then``.
    """
    with explain_full_disk(path, len(content), then), staging_file(path.parent) as aside:
        write_synced(aside, content)
        aside.replace(path)
        sync(path.parent)


@contextmanager
def explain_full_disk(path: Path, needed: int, then: str = GO_ON) -> Generator[None]:
    """Turn a full disk inside the block into one clear error.

    Args:
        path: what is being written.
        needed: bytes it takes, 0 if not known.
        then: what to do once there is space.

    Raises:
        DiskFullError: the disk or the quota is full; the message says how many bytes are needed and
            what stayed.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        space = f"needs {needed:,} bytes" if needed else "needs more space"
        raise DiskFullError(
            f"the disk is full: {path} {space}. Nothing that was complete is lost: "
            f"free some space, then {then}."
        ) from error


def lock_directory(path: Path) -> IO[str]:
    """Lock the folder for this process, until the file is closed or the process ends."""
    handle = open_plain(path / "lock", os.O_RDWR | os.O_CREAT | os.O_APPEND)
    file = os.fdopen(handle, "a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.seek(0)
        holder = file.read() or "another process"
        file.close()
        raise RoborewError(
            f"{path} is being written by {holder}; wait for it to end, or stop it."
        ) from error
    try:
        with explain_full_disk(path / "lock", 0):
            file.truncate(0)
            file.write(f"process {os.getpid()} on {socket.gethostname()}")
            file.flush()
    except BaseException:
        file.close()
        raise
    return file
