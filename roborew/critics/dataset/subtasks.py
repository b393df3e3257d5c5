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

MAX_ROUNDS = 20
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
    >>> [cuts.tolist() for cuts in segment_jointly([steps, steps[1:]], 3)]
    [[0, 2, 7, 10], [0, 1, 6, 9]]
    """
    if not episodes or parts < 1 or min(map(len, episodes)) < parts:
        lengths = [len(episode) for episode in episodes]
        raise InvalidInputError(
            f"subtasks: expected episodes of at least {parts} frames up to their highest "
            f"progress; got {lengths}. "
            "Leave the short ones out, or ask for fewer."
        )
    cuts = [np.rint(np.linspace(0, len(e), parts + 1)).astype(np.int64) for e in episodes]
    for _ in range(MAX_ROUNDS):
        means = _part_means(episodes, cuts)
        new_cuts = [optimal_cuts(_distances(episode, means)) for episode in episodes]
        if all((new == old).all() for new, old in zip(new_cuts, cuts, strict=True)):
            break
        cuts = new_cuts
    return cuts


def _part_means(episodes: Sequence[Features], cuts: Sequence[Indices]) -> NDArray[np.float32]:
    """Mean vector of every part over all episodes, (parts, D)."""
    segments: list[list[Features]] = []
    for episode, cut in zip(episodes, cuts, strict=True):
        inner_cuts = cut[1:-1]
        segments.append(np.split(episode, inner_cuts))
    means: list[NDArray[np.float32]] = []
    for part in zip(*segments, strict=True):
        frames = np.concatenate(part)
        means.append(frames.mean(0))
    return np.stack(means)


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
    begins = np.zeros((length, parts), np.bool_)
    for frame in range(1, length):
        before = best[frame - 1]
        from_last_part = before[:-1]
        from_same_part = before[1:]
        begins[frame, 1:] = from_last_part <= from_same_part
        best[frame, 1:] = np.minimum(from_last_part, from_same_part) + costs[frame, 1:]
    # Backwards from the last part: it began where the cheapest way to its end came into it.
    cuts = [length]
    part = parts - 1
    for frame in range(length - 1, 0, -1):
        if part > 0 and begins[frame, part]:
            cuts.append(frame)
            part -= 1
    return np.array([0, *reversed(cuts)], np.int64)


def segment_recursively(frames: Features, parts: int, min_length: int = 2) -> Indices:
    """Cut one episode again and again where it lowers the squared distances to the parts' means
    most, until there are ``parts`` of them or none is longer than twice ``least`` (Sermanet et al.,
    arXiv:1612.06699).

    Returns:
        The first frame of every part and T, rising.

    >>> segment_recursively(np.repeat(np.eye(3, dtype=np.float32), [4, 6, 4], axis=0), 3).tolist()
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
    whole = _squared_deviation(frames[start:stop])
    gains = list[tuple[float, int]]()
    first_cut = start + least
    last_cut = stop - least
    for cut in range(first_cut, last_cut + 1):
        left = _squared_deviation(frames[start:cut])
        right = _squared_deviation(frames[cut:stop])
        gain = whole - left - right
        gains.append((gain, cut))
    too_short = (-np.inf, start)
    return max(gains, default=too_short)


def _squared_deviation(frames: Features) -> float:
    return float(np.square(frames - frames.mean(0)).sum())


def _distances(frames: Features, means: NDArray[np.float32]) -> NDArray[np.float64]:
    squares = np.square(frames.astype(np.float64)[:, None] - means).sum(2)
    return cast("NDArray[np.float64]", squares)
