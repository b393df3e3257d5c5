"""Where the frames of a replay lie: in memory, or in a file that is mapped into it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roborew.storage.atomic import CONTINUE_TRAINING, explain_full_disk

Bytes = NDArray[np.uint8]


class FrameStore:
    """Frames in the order in which they came, each with a number; the oldest give way.

    Args:
        capacity: frames that it holds.
        frame_size: bytes of a frame.
    """

    def __init__(self, capacity: int, frame_size: int) -> None:
        self.capacity = capacity
        self.frame_size = frame_size
        self.written = 0
        """Frames so far, and so the number of the next one."""
        self._frames = self._open()

    @property
    def oldest(self) -> int:
        """Number of the oldest frame that is still there."""
        return max(0, self.written - self.capacity)

    @property
    def num_bytes(self) -> int:
        """Room of all frames once it is full; taken as they come."""
        return self.capacity * self.frame_size

    def append(self, frames: Bytes) -> NDArray[np.int64]:
        """Keep frames, shape (n, S); return their numbers."""
        numbers = np.arange(self.written, self.written + len(frames))
        self._put(numbers % self.capacity, frames)
        self.written += len(frames)
        return numbers

    def read(self, numbers: NDArray[np.int64]) -> Bytes:
        """Return the frames of these numbers, shape (..., S)."""
        return self._frames[numbers % self.capacity]

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Return what is kept, and how much there has been."""
        frames = self._frames[: min(self.written, self.capacity)].copy()
        return {"frames": frames, "written": np.array(self.written)}

    def load_state_dict(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `state_dict` returned, of a store of the same size."""
        self.written = int(arrays["written"])
        self._frames[: len(arrays["frames"])] = arrays["frames"]

    def _open(self) -> Bytes:
        # Memory is taken page by page, as frames come.
        return np.empty((self.capacity, self.frame_size), np.uint8)

    def _put(self, places: NDArray[np.int64], frames: Bytes) -> None:
        self._frames[places] = frames


class FrameFile(FrameStore):
    """Frames in a file that has room for all of a run, so that none gives way: what was written after a
    checkpoint is written again when a run goes on from there, and a checkpoint need not hold it.

    Args:
        path: of the file; it and its folder are made where there are none.
        capacity: see `FrameStore`.
        frame_size: see `FrameStore`.
    """

    def __init__(self, path: Path, capacity: int, frame_size: int) -> None:
        self._path = path
        super().__init__(capacity, frame_size)

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Return how much there has been; the file is on the disk then."""
        with self._path.open("rb") as file:
            os.fsync(file.fileno())
        return {"written": np.array(self.written)}

    def load_state_dict(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `state_dict` returned, of the same file."""
        self.written = int(arrays["written"])

    def _open(self) -> Bytes:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("ab") as file:
            # A hole takes no room on the disk before something is written there.
            file.truncate(self.num_bytes)
        return np.memmap(self._path, np.uint8, "r", shape=(self.capacity, self.frame_size))

    def _put(self, places: NDArray[np.int64], frames: Bytes) -> None:
        # Not through the map: a full disk would end the process there, where a write says so.
        with (
            explain_full_disk(self._path, frames.nbytes, CONTINUE_TRAINING),
            self._path.open("r+b", buffering=0) as file,
        ):
            for place, frame in zip(places.tolist(), frames, strict=True):
                file.seek(place * self.frame_size)
                content = memoryview(frame.tobytes())
                while content:
                    content = content[file.write(content) :]
