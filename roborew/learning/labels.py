"""What a demonstration says about progress: its labels, or time where it is a success and nothing
better is known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from roborew.learning.examples import Example
from roborew.types import BoolArray


def progress_from_key_frames(length: int, key_frames: Sequence[int]) -> NDArray[np.float32]:
    """Return progress of T frames whose n key frames each finish an n-th of the task, linear in
    between, shape (T,).

    >>> progress_from_key_frames(5, (2, 4)).tolist()
    [0.0, 0.25, 0.5, 0.75, 1.0]
    """
    levels = np.linspace(0.0, 1.0, len(key_frames) + 1)
    progress = np.interp(np.arange(length), [0, *key_frames], levels)
    return progress.astype(np.float32)


def hold_success(success: BoolArray, succeeded: bool | None = None) -> BoolArray:
    """Return where the goal counts as reached, shape (T,): in an episode that ends in success from
    its first success on, though a button springs back; in any other one where it holds.

    Args:
        success: whether the goal holds in each frame, shape (T,).
        succeeded: whether the episode ends in success; by its last frame if None.

    >>> hold_success(np.array([False, True, False, True])).tolist()
    [False, True, True, True]
    """
    ends_well = bool(success[-1]) if succeeded is None else succeeded
    return np.logical_or.accumulate(success) if ends_well else success


def progress_from_success(reached: BoolArray) -> NDArray[np.float32]:
    """Return progress of an episode of which nothing is told but where the goal is reached, shape
    (T,).

    It rises evenly over the time to the first success, which is what is left to do; from there on it
    is 1 where the goal is reached and 0 where that was undone. An episode without a success is 0 in
    every frame: whatever the hand did, it did not bring the object there.

    Args:
        reached: as of `hold_success`, shape (T,).

    >>> progress_from_success(np.array([False, False, True, True])).tolist()
    [0.0, 0.5, 1.0, 1.0]
    >>> progress_from_success(np.array([False, False, True, False])).tolist()
    [0.0, 0.5, 1.0, 0.0]
    """
    progress = reached.astype(np.float32)
    if reached.any():
        first = int(np.argmax(reached))
        progress[:first] = np.arange(first) / np.float32(max(first, 1))
    return progress


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

    Where success is told of each frame, that is the answer: just short of the goal is no success.
    Where only progress is labeled, the goal holds from ``success_threshold`` on, and in the last frame
    of a success whatever its label. Where only time is known, nothing is said of the second half of a
    success before the threshold; of a failure every frame fails.
    """
    if example.reached is not None:
        return example.reached.astype(np.float32)
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
