"""Demonstrations cut into the same ordered subtasks, from embedded frames alone."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import numpy as np
from numpy.typing import NDArray

from roborew.errors import InvalidInputError
from roborew.learning.examples import Features
from roborew.learning.sampling import Indices

ROUNDS = 20
"""Most rounds of cutting and averaging; they end when no cut moves."""


def segment_jointly(episodes: Sequence[Features], parts: int) -> list[Indices]:
    """Cut all episodes into the same subtasks: each episode visits the subtasks' mean vectors in
    order, and the cuts are those of the least squared distance (k-means under order, by dynamic
    programming). Starts from equal parts.

    Args:
        episodes: shape (T, D) each, T >= ``parts``, of one width.
        parts: how many.

    Returns:
        Of each episode the first frame of every part and T, shape (parts + 1,), rising.

    >>> steps = np.repeat(np.eye(3, dtype=np.float32), [2, 5, 3], axis=0)
    >>> [cuts.tolist() for cuts in together([steps, steps[1:]], 3)]
    [[0, 2, 7, 10], [0, 1, 6, 9]]
    """
    if not episodes or parts < 1 or min(map(len, episodes)) < parts:
        lengths = [len(episode) for episode in episodes]
        raise InvalidInputError(
            f"subtasks: expected episodes of at least {parts} frames up to their highest "
            f"progress; got {lengths}. "
            "Leave the short ones out, or ask for fewer."
        )
    cuts = [
        np.rint(np.linspace(0, len(episode), parts + 1)).astype(np.int64) for episode in episodes
    ]
    for _ in range(ROUNDS):
        pieces = [np.split(episode, cut[1:-1]) for episode, cut in zip(episodes, cuts, strict=True)]
        means = np.stack(
            [np.concatenate([piece[part] for piece in pieces]).mean(0) for part in range(parts)]
        )
        moved = [optimal_cuts(_distances(episode, means)) for episode in episodes]
        if all((new == old).all() for new, old in zip(moved, cuts, strict=True)):
            break
        cuts = moved
    return cuts


def optimal_cuts(costs: NDArray[np.floating]) -> Indices:
    """Cut frames into consecutive parts of at least one frame each, at the least total cost.

    Args:
        costs: of each frame in each part, shape (T, parts), T >= parts.

    Returns:
        The first frame of every part and T, shape (parts + 1,).
    """
    length, parts = costs.shape
    best = np.full((length, parts), np.inf)
    best[:, 0] = np.cumsum(costs[:, 0])
    entered = np.zeros((length, parts), np.bool_)
    for frame in range(1, length):
        entered[frame, 1:] = best[frame - 1, :-1] <= best[frame - 1, 1:]
        best[frame, 1:] = np.minimum(best[frame - 1, :-1], best[frame - 1, 1:]) + costs[frame, 1:]
    cuts, part = [length], parts - 1
    for frame in range(length - 1, 0, -1):
        if entered[frame, part] and part > 0:
            cuts.append(frame)
            part -= 1
    return np.array([0, *cuts[::-1]], np.int64)


def segment_recursively(frames: Features, parts: int, min_length: int = 2) -> Indices:
    """Cut one episode again and again where it lowers the squared distances to the parts' means
    most, until there are ``parts`` of them or none is longer than twice ``least`` (Sermanet et al.,
    arXiv:1612.06699).

    Returns:
        The first frame of every part and T, rising.

    >>> recursively(np.repeat(np.eye(3, dtype=np.float32), [4, 6, 4], axis=0), 3).tolist()
    [0, 4, 10, 14]
    """
    cuts = [0, len(frames)]
    while len(cuts) <= parts:
        gains = [_best_cut(frames, start, stop, min_length) for start, stop in pairwise(cuts)]
        gain, cut = max(gains)
        if gain == -np.inf:
            break
        cuts = sorted([*cuts, cut])
    return np.array(cuts, np.int64)


def _best_cut(frames: Features, start: int, stop: int, least: int) -> tuple[float, int]:
    """How much the best cut of a part lowers its spread, and where it is; -inf where the part is
    too short."""
    whole = _spread(frames[start:stop])
    choices = range(start + least, stop - least + 1)
    gains = [
        (whole - _spread(frames[start:cut]) - _spread(frames[cut:stop]), cut) for cut in choices
    ]
    return max(gains, default=(-np.inf, start))


def _spread(frames: Features) -> float:
    return float(np.square(frames - frames.mean(0)).sum())


def _distances(frames: Features, means: NDArray[np.float32]) -> NDArray[np.float64]:
    squares = np.square(frames.astype(np.float64)[:, None] - means).sum(2)
    return cast("NDArray[np.float64]", squares)
