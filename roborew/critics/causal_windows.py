"""Windows of frames that a causal network reads: the episode's first frame and the last ones up to
each new one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from roborew.critics.objective import Query, split_scores
from roborew.learning.examples import Features
from roborew.learning.sampling import Indices
from roborew.types import RecurrentState, Scores


@dataclass(frozen=True, slots=True)
class CausalWindows:
    """What is read with each new frame of several episodes.

    Attributes:
        frames: shape (N, K, D), float32, filled up on the right with the new frame itself, which a
            causal network that is read at ``last`` never sees.
        text: shape (N, E), float32.
        last: where in its window each new frame stands, shape (N,).
        lengths: new frames of each episode; they sum to N.
        states: of each episode, for the windows of the frames after these.
    """

    frames: Tensor
    text: Tensor
    last: Tensor
    lengths: tuple[int, ...]
    states: tuple[RecurrentState, ...]

    def scores(self, value: Tensor, success: Tensor | None = None) -> list[Scores]:
        """Return values (N,) as scores of each episode."""
        chances = None if success is None else success.numpy()
        return split_scores(value.numpy(), self.lengths, chances)


def causal_windows(queries: Sequence[Query], size: int) -> CausalWindows:
    """Cut the windows of ``size`` >= 2 frames of all new frames of at least one query."""
    windows = list[Features]()
    last = list[Indices]()
    states = list[RecurrentState]()
    for query in queries:
        remembered = query.state.get("frames", query.features[:0])
        frames = np.concatenate([remembered, query.features])
        indices, place = window_indices(len(query.features), len(remembered), size)
        windows.append(frames[indices])
        last.append(place)
        states.append({"frames": window_state(frames, size)})
    lengths = [len(query.features) for query in queries]
    text = np.repeat(np.stack([query.text_embedding for query in queries]), lengths, axis=0)
    return CausalWindows(
        frames=torch.as_tensor(np.concatenate(windows)),
        text=torch.as_tensor(text),
        last=torch.as_tensor(np.concatenate(last)),
        lengths=tuple(lengths),
        states=tuple(states),
    )


def window_indices(count: int, remembered: int, size: int) -> tuple[Indices, Indices]:
    """Indices into [remembered, new] of the windows of the new frames, and where in them the new
    frames stand.

    >>> [indices.tolist() for indices in window_indices(2, 2, 3)]
    [[[0, 1, 2], [0, 2, 3]], [2, 2]]
    """
    new = np.arange(remembered, remembered + count)
    start = np.maximum(new - size + 1, 0)
    steps = np.arange(size)
    # Near the episode's beginning a window is short of frames, and repeats the new one.
    indices = np.minimum(start[:, None] + steps, new[:, None])
    # The episode's first frame is in every window: what has changed since tells progress.
    indices[:, 0] = 0
    place = np.minimum(new, size - 1)
    return indices, place


def window_state(frames: Features, size: int) -> Features:
    """Keep what the windows after these frames may still need: the first, and the last
    ``size - 2``."""
    if len(frames) < size:
        return frames
    recent = frames[len(frames) - size + 2 :]
    return np.concatenate([frames[:1], recent])
