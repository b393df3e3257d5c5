"""Plain files only: what lies in a folder that somebody else made must lead nowhere else.

A link could make a writer empty a file of the user's, and a reader show one; a pipe would let it wait
for ever.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from roborew.errors import InvalidInputError

KINDS = {
    stat.S_IFLNK: "a link",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def check_plain(folder: Path) -> None:
    """Raise unless a folder holds plain files and folders alone, to any depth; the folder itself may
    be a link.

    Raises:
        InvalidInputError: a link, pipe, socket or device in it, by its path.
    """
    for place, folders, files in os.walk(folder, onerror=_unless_gone):
        for name in (*folders, *files):
            path = Path(place, name)
            with suppress(FileNotFoundError):  # a process that writes here has moved it since
                mode = path.lstat().st_mode
                if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                    raise _not_plain(path, mode)


def open_plain(name: str | Path, flags: int) -> int:
    """Open a plain file as `os.open` does, never through a link; an ``opener`` of Python's `open`.

    Args:
        name: of the file; only its last part is looked at, see `check_plain` for what is above.
        flags: of `os.open`.

    Raises:
        InvalidInputError: it is no plain file, or is written and has a second name (a hard link),
            under which the content would change too.
        OSError: as `os.open`.
    """
    path = Path(name)
    # Emptied only once it is known what it is; and a pipe without a reader would wait for one.
    careful = flags & ~os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        handle = os.open(path, careful, 0o666)
    except OSError:
        if os.path.lexists(path) and not stat.S_ISREG(path.lstat().st_mode):
            raise _not_plain(path, path.lstat().st_mode) from None
        raise
    try:
        _check_opened(path, handle, flags)
        if flags & os.O_TRUNC:
            os.ftruncate(handle, 0)
    except BaseException:
        os.close(handle)
        raise
    return handle


def _check_opened(path: Path, handle: int, flags: int) -> None:
    about = os.fstat(handle)
    if not stat.S_ISREG(about.st_mode):
        raise _not_plain(path, about.st_mode)
    if flags & (os.O_WRONLY | os.O_RDWR) and about.st_nlink > 1:
        raise InvalidInputError(
            f"{path} has {about.st_nlink} names (hard links), and writing would change the file under "
            f"each; copy the folder with `cp -r` and take the copy."
        )


def read_plain(path: Path) -> bytes:
    """The content of a plain file, never through a link; errors as `open_plain`."""
    with open(path, "rb", opener=open_plain) as file:
        return file.read()


def inside(path: Path, folder: Path) -> Path:
    """Return where ``path`` leads, links followed, which must be somewhere in ``folder``, or, where
    that is a snapshot in Hugging Face's cache, in its repository there.

    Raises:
        InvalidInputError: it leads out of the folder.
    """
    root = folder.resolve()
    # A snapshot is made of links to files that several snapshots share.
    home = root.parent.parent if root.parent.name == "snapshots" else root
    target = path.resolve()
    if not target.is_relative_to(home):
        raise InvalidInputError(
            f"{path} leads to {target}, out of {folder}; expected files inside the folder. Copy the "
            "folder with `cp -rL` if you trust it, and take the copy."
        )
    return target


def _not_plain(path: Path, mode: int) -> InvalidInputError:
    kind = KINDS.get(stat.S_IFMT(mode), "a folder")
    return InvalidInputError(
        f"{path} is {kind}; expected plain files alone, since what lies in this folder is read and "
        "written without asking. Copy the folder with `cp -rL` if you trust it, and take the copy."
    )


def _unless_gone(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error
