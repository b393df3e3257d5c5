"""Files that grow by whole lines: safe on the disk as soon as they are written, whole after a crash."""

from __future__ import annotations

import os
from pathlib import Path

from roborew.storage.atomic import explain_full_disk
from roborew.storage.plain import open_plain


def append_lines(path: Path, lines: bytes) -> None:
    """Append lines; when this returns they are on the disk.

    Args:
        path: of the file; made if it is not there.
        lines: each with its line end.
    """
    with (
        explain_full_disk(path, len(lines)),
        open(path, "ab", opener=open_plain) as file,
    ):
        file.write(lines)
        file.flush()
        os.fsync(file.fileno())


def cut_unfinished_line(path: Path) -> None:
    """Cut off what a crash left of a last line, which a next one would be joined to."""
    if path.exists():
        with open(path, "r+b", opener=open_plain) as file:
            file.truncate(file.read().rfind(b"\n") + 1)
