"""A new file appears whole or not at all, and never takes the place of another."""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from roborew.errors import RunExistsError


def free_path(path: str | Path) -> Path:
    """``path`` if nothing is there, else the first of ``name-2.ext``, ``name-3.ext``, ... that is
    free."""
    preferred = Path(path)
    numbered = (
        preferred.with_name(f"{preferred.stem}-{number}{preferred.suffix}")
        for number in itertools.count(2)
    )
    return next(
        candidate
        for candidate in itertools.chain([preferred], numbered)
        if not os.path.lexists(candidate)
    )


@contextmanager
def create_atomically(path: str | Path) -> Generator[Path, None, None]:
    """Give a temporary path beside ``path`` to write to; it becomes ``path`` only if the block
    succeeds.

    Folders are created. Whatever ends the block early (an error, a full disk, Ctrl-C) leaves
    nothing behind.

    Raises:
        RunExistsError: ``path`` exists, at the beginning or at the end.
    """
    target = Path(path)
    if os.path.lexists(target):
        raise _path_exists(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    # Beside the target: a link or rename cannot cross file systems.
    handle, name = tempfile.mkstemp(
        dir=target.parent, prefix=f".{target.stem}-", suffix=target.suffix
    )
    os.close(handle)
    # mkstemp gives 0600, which would keep the file from everybody else.
    os.chmod(name, 0o644)
    try:
        yield Path(name)
        _publish(Path(name), target)
    finally:
        Path(name).unlink(missing_ok=True)


def _publish(written: Path, target: Path) -> None:
    try:
        os.link(written, target)  # unlike a rename, it fails where another process was faster
    except FileExistsError as error:
        raise _path_exists(target) from error
    except OSError:  # a file system without hard links
        if os.path.lexists(target):
            raise _path_exists(target) from None
        os.replace(written, target)


def _path_exists(path: Path) -> RunExistsError:
    return RunExistsError(
        f"{path} exists and is never overwritten; nothing was written. Try {free_path(path)}."
    )
