"""A file that only grows: records of one size, one behind the other, read without loading them."""

from __future__ import annotations

import os
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roborew.storage.atomic import CONTINUE_TRAINING, append
from roborew.storage.plain import open_plain


class RecordFile:
    """Records of a structured dtype, as numpy lays them out.

    Args:
        path: of the file; it and its folder are made where there are none.
        dtype: of a record.
    """

    def __init__(self, path: Path, dtype: np.dtype[Any]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._dtype = dtype
        # Unbuffered, so that a killed process loses no record.
        self._file = FileIO(path, "ab", opener=open_plain)
        # It may leave a part of one.
        self.truncate(len(self))

    def __len__(self) -> int:
        return os.fstat(self._file.fileno()).st_size // self._dtype.itemsize

    def append(self, records: NDArray[Any]) -> None:
        """Write records, shape (n,), behind the others.

        Raises:
            DiskFullError: the disk or the quota is full.
        """
        append(self._file, records.astype(self._dtype, copy=False).tobytes(), CONTINUE_TRAINING)

    def truncate(self, length: int) -> None:
        """Keep the first ``length`` records alone, or all where there are fewer."""
        self._file.truncate(min(length, len(self)) * self._dtype.itemsize)

    def sync(self) -> None:
        """Bring everything to the disk."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file; closing twice is harmless."""
        self._file.close()


def read_records(path: Path, dtype: np.dtype[Any]) -> NDArray[Any]:
    """The whole records of a file, mapped into memory, shape (n,); none where there is no file."""
    length = path.stat().st_size // dtype.itemsize if path.exists() else 0
    if not length:
        return np.zeros(0, dtype)
    return np.memmap(path, dtype, "r", shape=(length,))
