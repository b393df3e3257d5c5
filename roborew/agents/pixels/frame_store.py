"""Where the frames of a replay lie: in memory, or in a file that is mapped into it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from roborew.storage.record_file import RecordFile, read_records

Bytes = NDArray[np.uint8]


class FrameStore(Protocol):
    """Frames in the order in which they came, each with a number.

    Attributes:
        frame_size: bytes of a frame, S.
        oldest: number of the oldest frame that is still there.
    """

    frame_size: int

    @property
    def oldest(self) -> int: ...

    def append(self, frames: Bytes) -> NDArray[np.int64]:
        """Keep frames, shape (n, S); return their numbers."""
        ...

    def read(self, numbers: NDArray[np.int64]) -> Bytes:
        """Return the frames of these numbers, shape (..., S)."""
        ...

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Return what a checkpoint has to hold."""
        ...

    def load_state_dict(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `state_dict` returned."""
        ...


class FrameRing:
    """Frames in memory, of which the oldest give way; a `FrameStore`.

    Args:
        capacity: frames that it holds; memory is taken page by page, as they come.
        frame_size: bytes of a frame.
    """

    def __init__(self, capacity: int, frame_size: int) -> None:
        self.frame_size = frame_size
        self._written = 0
        self._frames = np.empty((capacity, frame_size), np.uint8)

    @property
    def oldest(self) -> int:
        """See `FrameStore`."""
        return max(0, self._written - len(self._frames))

    def append(self, frames: Bytes) -> NDArray[np.int64]:
        """See `FrameStore`."""
        numbers = np.arange(self._written, self._written + len(frames))
        self._frames[numbers % len(self._frames)] = frames
        self._written += len(frames)
        return numbers

    def read(self, numbers: NDArray[np.int64]) -> Bytes:
        """See `FrameStore`."""
        return self._frames[numbers % len(self._frames)]

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Return all frames, and how many there have been."""
        frames = self._frames[: min(self._written, len(self._frames))].copy()
        return {"frames": frames, "written": np.array(self._written)}

    def load_state_dict(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `state_dict` returned, of a ring of the same size."""
        self._written = int(arrays["written"])
        self._frames[: len(arrays["frames"])] = arrays["frames"]


class FrameFile:
    """Frames in a file, none of which gives way, so that a checkpoint need not hold them; a `FrameStore`.

    Args:
        path: of the file; it and its folder are made where there are none.
        frame_size: bytes of a frame.
    """

    oldest = 0

    def __init__(self, path: Path, frame_size: int) -> None:
        self.frame_size = frame_size
        self._path = path
        self._dtype = np.dtype([("frame", "u1", (frame_size,))])
        self._written = 0

    def append(self, frames: Bytes) -> NDArray[np.int64]:
        """See `FrameStore`; what was written after a checkpoint that was taken up has not happened.

        Raises:
            DiskFullError: the disk or the quota is full.
        """
        records = np.zeros(len(frames), self._dtype)
        records["frame"] = frames
        # Nobody closes an agent, so nothing stays open.
        with closing(RecordFile(self._path, self._dtype)) as file:
            file.truncate(self._written)
            file.append(records)
        numbers = np.arange(self._written, self._written + len(frames))
        self._written += len(frames)
        return numbers

    def read(self, numbers: NDArray[np.int64]) -> Bytes:
        """See `FrameStore`."""
        return read_records(self._path, self._dtype)["frame"][numbers]

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Return how many there have been; they are on the disk then."""
        with closing(RecordFile(self._path, self._dtype)) as file:
            file.sync()
        return {"written": np.array(self._written)}

    def load_state_dict(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `state_dict` returned, of the same file."""
        self._written = int(arrays["written"])
