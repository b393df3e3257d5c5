"""What a demonstration says about progress: its labels, or time where it is a success and nothing
better is known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from roborew.learning.examples import Example


def progress_from_key_frames(length: int, key_frames: Sequence[int]) -> NDArray[np.float32]:
    """Return progress of T frames whose n key frames each finish an n-th of the task, linear in
    between, shape (T,).

    >>> progress_from_key_frames(5, (2, 4)).tolist()
    [0.0, 0.25, 0.5, 0.75, 1.0]
    """
    levels = np.linspace(0.0, 1.0, len(key_frames) + 1)
    progress = np.interp(np.arange(length), [0, *key_frames], levels)
    return progress.astype(np.float32)


def progress_labels(example: Example) -> NDArray[np.float32]:
    """Return progress of each frame, shape (T,), NaN where nobody knows.

    The example's own labels, if it has any. Otherwise frame i of T of an episode that succeeds, or
    of which nothing is said (a demonstration is meant to), is at i / (T - 1); of a failure nothing
    is known but its start, which is 0.
    """
    if example.progress is not None and np.isfinite(example.progress).any():
        return example.progress.astype(np.float32)
    length = len(example.features)
    if example.success is False:
        labels = np.full(length, np.nan, np.float32)
        labels[0] = 0.0
        return labels
    return np.linspace(0.0, 1.0, length, dtype=np.float32)


def success_labels(example: Example, success_threshold: float = 0.95) -> NDArray[np.float32]:
    """Return whether the goal holds in each frame, 0 or 1, shape (T,), NaN where nobody knows.

    Where progress is labeled, the goal holds from ``success_threshold`` on, and in the last frame
    of a success whatever its label. Where only time is known, nothing is said of the second half of
    a success before the threshold; of a failure every frame fails.
    """
    labels = progress_labels(example)
    if example.success is False and example.progress is None:
        return np.zeros(len(labels), np.float32)
    holds = (labels >= success_threshold).astype(np.float32)
    holds[~np.isfinite(labels)] = np.nan
    if example.progress is None:
        # Time is no proof: a success may have been done well before its video ends.
        is_undecided = (labels >= 0.5) & (labels < success_threshold)
        holds[is_undecided] = np.nan
    if example.success:
        holds[-1] = 1.0
    return holds
