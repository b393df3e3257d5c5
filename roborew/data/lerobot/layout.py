"""Where things are in a LeRobotDataset v3.0, and when a new file begins."""

from __future__ import annotations

from dataclasses import dataclass

# What LeRobot compares with its own version; since v3.0 episodes share files.
CODEBASE = "v3.0"
INFO = "meta/info.json"
STATS = "meta/stats.json"
TASKS = "meta/tasks.parquet"
# SARM of LeRobot looks for its stages' weights at this place.
PROPORTIONS = "meta/temporal_proportions_dense.json"
EPISODES = "meta/episodes"
DATA_PATH = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO_PATH = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
EPISODES_PATH = f"{EPISODES}/chunk-{{chunk_index:03d}}/file-{{file_index:03d}}.parquet"
CAMERA_KEY = "observation.images."

# The limits that LeRobot itself writes with.
CHUNKS_SIZE = 1000
DATA_MB = 100
VIDEO_MB = 200


@dataclass(frozen=True, slots=True)
class FileIndex:
    """A numbered file: ``chunk`` is the number of its folder, ``file`` its number there."""

    chunk: int
    file: int

    def path(self, template: str, **names: str) -> str:
        """Fill in a template of this module.

        >>> FileIndex(chunk=0, file=2).path(DATA_PATH)
        'data/chunk-000/file-002.parquet'
        """
        return template.format(chunk_index=self.chunk, file_index=self.file, **names)


class FileAllocator:
    """Files filled one after the other.

    >>> allocator = FileAllocator(limit=10, chunks_size=2)
    >>> files = [allocator.allocate(size) for size in (4, 5, 1, 30, 2)]
    >>> [(index.chunk, index.file) for index in files]
    [(0, 0), (0, 0), (0, 1), (1, 0), (1, 1)]
    """

    def __init__(self, limit: int, chunks_size: int) -> None:
        """Start with an empty file.

        Args:
            limit: a new file begins rather than reach this size [bytes].
            chunks_size: files a folder.
        """
        self._limit = limit
        self._chunks_size = chunks_size
        self._number = 0
        self._size = 0

    def allocate(self, size: int, new_file: bool = False) -> FileIndex:
        """Find a file for ``size`` bytes; ``new_file`` wants one that holds nothing yet."""
        full = self._size + size >= self._limit
        # An empty file takes whatever comes: what is larger than the limit must go somewhere.
        if self._size > 0 and (new_file or full):
            self._number += 1
            self._size = 0
        self._size += size
        chunk, file = divmod(self._number, self._chunks_size)
        return FileIndex(chunk, file)
