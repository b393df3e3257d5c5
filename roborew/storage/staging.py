"""New files and folders: whole or absent, and never in the place of another.

What is not whole yet lies beside its place as ``.roborew-<16 hex digits>``, locked by the process that
writes it. Where nobody holds the lock the process was killed: whoever writes there next removes it.
"""

from __future__ import annotations

import errno
import fcntl
import itertools
import os
import re
import secrets
import shutil
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from roborew.errors import RunExistsError

PREFIX = ".roborew-"
_NAME = re.compile(rf"{re.escape(PREFIX)}[0-9a-f]{{16}}(\.\w+)?")
_TAKEN = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR)
"""What a rename of a folder says where something is already."""


Target = str | Path | Iterable[Path]
"""A path, or several, of which the first one that is free is taken, see `numbered`."""


@dataclass(slots=True)
class Staged:
    """What is being written.

    Attributes:
        staging: where it is written to.
        path: where it is once the block has ended; until then where it is path.
    """

    staging: Path
    path: Path


def numbered(path: str | Path) -> Iterator[Path]:
    """``name.ext``, ``name-2.ext``, ``name-3.ext`` and so on.

    >>> from itertools import islice
    >>> [path.name for path in islice(numbered("push.mp4"), 3)]
    ['push.mp4', 'push-2.mp4', 'push-3.mp4']
    """
    preferred = Path(path)
    yield preferred
    for number in itertools.count(2):
        yield preferred.with_name(f"{preferred.stem}-{number}{preferred.suffix}")


def candidates(target: Target) -> Iterator[Path]:
    """The paths of a target, one after the other."""
    return iter([Path(target)] if isinstance(target, str | Path) else target)


def free_path(path: str | Path) -> Path:
    """``path`` if nothing is there, else the first of ``name-2.ext``, ``name-3.ext``, ... that is
    free.

    It may be taken in the meantime: `new_file` and `new_folder` take all of `numbered`, to choose and
    write in one step.
    """
    return _from_first_free(numbered(path))[0]


@contextmanager
def new_file(target: Target) -> Generator[Staged]:
    """Give a temporary file to write to; when the block ends well it becomes the target.

    Folders are created. Whatever ends the block early (an error, a full disk, Ctrl-C) leaves nothing
    behind.

    Raises:
        RunExistsError: the target, or every one of several, exists, at the beginning or at the end.
    """
    with _new(target, _make_file, _link) as staged:
        yield staged


@contextmanager
def new_folder(target: Target) -> Generator[Staged]:
    """Give a temporary folder to write into; as `new_file`."""
    with _new(target, os.mkdir, _rename) as staged:
        yield staged


@contextmanager
def create_atomically(path: Target) -> Generator[Path]:
    """Give a temporary path beside ``path`` to write to; it becomes ``path`` only if the block
    succeeds; as `new_file`."""
    with new_file(path) as staged:
        yield staged.staging


def write_new(target: Target, text: str) -> Path:
    """Write a text into a new file, and return where; errors as `new_file`."""
    with new_file(target) as staged:
        staged.staging.write_text(text, encoding="utf-8")
    return staged.path


@contextmanager
def staging_file(folder: Path, suffix: str = "") -> Generator[Path]:
    """Give a new empty file of a name of its own in ``folder``; what is still there at the end of the
    block is removed."""
    with _staged(folder, suffix, _make_file) as path:
        yield path


def remove_leftovers(folder: Path) -> None:
    """Remove what killed processes left unfinished in a folder, and nothing else."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if _NAME.fullmatch(entry.name)]
    for name in names:
        _remove_unheld(folder / name)


def check_writable(folder: Path) -> None:
    """Raise what the system says where a folder cannot be written, or made: before long work, not
    after it. Nothing is made.

    Raises:
        OSError: the reason.
    """
    place = next(path for path in (folder, *folder.parents) if os.path.lexists(path))
    if not place.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(place))
    with staging_file(place):
        pass


def remove_tree(folder: Path) -> None:
    """Remove a folder that readers know, in one step: a killed process leaves no part of it under
    its name."""
    aside = folder.with_name(_staging_name())
    handle = _lock(folder, fcntl.LOCK_EX)  # held: a process that cleans up beside this one waits
    folder.rename(aside)
    shutil.rmtree(aside)
    if handle is not None:
        os.close(handle)


def sync(path: Path) -> None:
    """Flush a file, or a folder's own entries, to the disk, so that a rename survives a power
    cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _new(
    target: Target,
    make: Callable[[Path], None],
    publish: Callable[[Path, Path], bool],
) -> Generator[Staged]:
    # Before any work is done: a name that was not free is not tried again.
    path, waiting = _from_first_free(candidates(target))
    with _staged(path.parent, path.suffix, make) as staging:
        staged = Staged(staging, path)
        yield staged
        sync(staging)
        while not publish(staging, staged.path):
            staged.path, waiting = _from_first_free(waiting, staged.path)
        sync(staged.path.parent)


def _from_first_free(
    waiting: Iterator[Path], last: Path | None = None
) -> tuple[Path, Iterator[Path]]:
    """The first path at which nothing is, not even a broken link, and those after it."""
    for last in waiting:
        if not os.path.lexists(last):
            return last, waiting
    assert last is not None, "no candidate"
    raise _path_exists(last)


def _link(staging: Path, target: Path) -> bool:
    try:
        os.link(staging, target)  # unlike a rename, it fails where another process was faster
    except FileExistsError:
        return False
    except OSError:  # a file system without hard links
        if not _claim(target):
            return False
        staging.replace(target)
    return True


def _claim(target: Path) -> bool:
    """Take a name with an empty file; False if it is taken."""
    try:
        _make_file(target)
    except FileExistsError:
        return False
    return True


def _rename(staging: Path, target: Path) -> bool:
    try:
        staging.rename(target)
    except OSError as error:
        if error.errno not in _TAKEN:
            raise
        return False
    return True


@contextmanager
def _staged(folder: Path, suffix: str, make: Callable[[Path], None]) -> Generator[Path]:
    """Make something of a name of its own in ``folder`` and hold its lock; at the end what is still
    there is removed."""
    folder.mkdir(parents=True, exist_ok=True)
    remove_leftovers(folder)
    path, handle = _make_held(folder, suffix, make)
    try:
        yield path
    finally:
        _remove(path)
        os.close(handle)


def _make_held(folder: Path, suffix: str, make: Callable[[Path], None]) -> tuple[Path, int]:
    while True:
        path = folder / _staging_name(suffix)
        make(path)
        handle = _lock(path, fcntl.LOCK_EX)
        if handle is not None:
            return path, handle


def _staging_name(suffix: str = "") -> str:
    # Another ending than a word of letters would not be recognized as a leftover.
    ending = suffix if re.fullmatch(r"\.\w+", suffix) else ""
    return f"{PREFIX}{secrets.token_hex(8)}{ending}"


def _make_file(path: Path) -> None:
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))


def _lock(path: Path, how: int) -> int | None:
    """A handle that holds the lock of what is at ``path``; None if it is gone or held."""
    try:
        # Never through a link, nor waiting for the other end of a pipe.
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(handle, how)
        if os.path.samestat(os.fstat(handle), os.lstat(path)):
            return handle
    except (BlockingIOError, FileNotFoundError):
        pass  # somebody writes it, or has removed it: told below by None
    os.close(handle)
    return None


def _remove_unheld(path: Path) -> None:
    if path.is_symlink() or not (path.is_file() or path.is_dir()):
        return
    if not os.access(path, os.W_OK):
        return  # somebody else's
    handle = _lock(path, fcntl.LOCK_EX | fcntl.LOCK_NB)
    if handle is not None:
        _remove(path)
        os.close(handle)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _path_exists(path: Path) -> RunExistsError:
    return RunExistsError(
        f"{path} exists and is never overwritten; nothing was written. Try {free_path(path)}."
    )
