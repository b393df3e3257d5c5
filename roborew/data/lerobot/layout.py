"""Where things are in a LeRobotDataset v3.0, and when a new file begins."""

from __future__ import annotations

from dataclasses import dataclass

CODEBASE = "v3.0"
INFO = "meta/info.json"
STATS = "meta/stats.json"
TASKS = "meta/tasks.parquet"
PROPORTIONS = "meta/temporal_proportions_dense.json"
EPISODES = "meta/episodes"
DATA_PATH = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO_PATH = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
EPISODES_PATH = f"{EPISODES}/chunk-{{chunk_index:03d}}/file-{{file_index:03d}}.parquet"
CAMERA_KEY = "observation.images."

CHUNKS_SIZE = 1000
DATA_MB = 100
VIDEO_MB = 200


@dataclass(frozen=True, slots=True)
class FileIndex:
    """A numbered file."""

    chunk: int
    file: int


class FileAllocator:
    """Files filled one after the other.

    >>> allocator = FileAllocator(limit=10, chunks_size=2)
    >>> [allocator.allocate(size) for size in (4, 5, 1, 30, 2)][1:]
    [FileIndex(chunk=0, file=0), FileIndex(chunk=0, file=1), FileIndex(chunk=1, file=0), FileIndex(chunk=1, file=1)]
    """

    def __init__(self, limit: int, chunks_size: int) -> None:
        """Start with an empty file.

        Args:
            limit: a new file begins rather than reach this size [bytes].
            chunks_size: files a folder.
        """
        self._limit, self._chunks_size = limit, chunks_size
        self._number, self._filled = 0, 0

    def allocate(self, size: int, apart: bool = False) -> FileIndex:
        """Find a place for ``size`` bytes; ``apart`` wants a new file."""
        if self._filled and (apart or self._filled + size >= self._limit):
            self._number, self._filled = self._number + 1, 0
        self._filled += size
        return FileIndex(*divmod(self._number, self._chunks_size))
