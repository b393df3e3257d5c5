"""Where episodes lie when all their frames are in one array, and how to take such arrays apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from roborew.learning.sampling import Indices

DTypeT = TypeVar("DTypeT", bound=np.generic)


def split_by_length(values: NDArray[DTypeT], lengths: Sequence[int]) -> list[NDArray[DTypeT]]:
    """Split values (N, ...) into consecutive parts of these lengths, which sum to N.

    >>> [part.tolist() for part in split_by_length(np.arange(4), [1, 3])]
    [[0], [1, 2, 3]]
    """
    if not lengths:
        return []
    # Without the last end, behind which `np.split` would return one more, empty part.
    parts: list[NDArray[Any]] = np.split(values, np.cumsum(lengths)[:-1])
    return parts


class EpisodeLayout:
    """Episodes one after the other in one array of N rows, a row a frame.

    Args:
        lengths: frames of each episode.

    Attributes:
        lengths: shape (episodes,).
        starts: row of each episode's first frame, shape (episodes,).
        owners: episode of each row, shape (N,).

    >>> layout = EpisodeLayout([2, 3])
    >>> layout.starts.tolist(), layout.owners.tolist(), layout.rows(np.array([1]), np.array([2]))
    ([0, 2], [0, 0, 1, 1, 1], array([4]))
    """

    def __init__(self, lengths: Sequence[int]) -> None:
        self.lengths: Indices = np.array(lengths, np.int64)
        all_but_last = lengths[:-1]
        self.starts: Indices = np.cumsum([0, *all_but_last])
        episodes = np.arange(len(lengths))
        self.owners: Indices = np.repeat(episodes, self.lengths)

    def __len__(self) -> int:
        return len(self.lengths)

    def rows(self, episodes: Indices, steps: Indices) -> Indices:
        """Rows of the frames at these steps of these episodes; the shapes broadcast."""
        return self.starts[episodes] + steps

    def segment_rows(self, episodes: Indices, first: Indices, length: int) -> Indices:
        """Rows of ``length`` successive frames from the steps ``first`` (...) on, (..., length).

        Where an episode ends earlier its last frame is repeated, so that all segments have one
        length.
        """
        offsets = np.arange(length)
        steps = first[..., None] + offsets
        last = self.lengths[episodes, None] - 1
        clamped = np.minimum(steps, last)
        return self.rows(episodes[..., None], clamped)
