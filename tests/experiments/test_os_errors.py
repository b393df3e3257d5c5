"""The faults of the experiment reach whatever makes a file or a folder."""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from experiments.robustness.os_errors import no_temporary_folder, raising
from roborew.storage.atomic import atomic_write
from roborew.storage.staging import check_writable, write_new

WRITERS: dict[str, Callable[[Path], object]] = {
    "mkdir": Path.mkdir,
    "touch": Path.touch,
    "write_text": lambda path: path.write_text("a"),
    "write_new": lambda path: write_new(path, "a"),
    "atomic_write": lambda path: atomic_write(path, b"a"),
    "check_writable": check_writable,
}


@pytest.mark.parametrize("writer", WRITERS)
def test_a_fault_reaches_every_writer_and_nothing_else(writer: str, tmp_path: Path) -> None:
    with raising(errno.EROFS):
        with pytest.raises(OSError, match="Read-only"):
            WRITERS[writer](tmp_path / "new")
        assert list(tmp_path.iterdir()) == []
    WRITERS[writer](tmp_path / "new")


def test_without_a_temporary_folder_there_is_none() -> None:
    with no_temporary_folder(), pytest.raises(FileNotFoundError, match="temporary"):
        tempfile.mkdtemp()
