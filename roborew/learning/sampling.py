"""Frames drawn from a demonstration, as indices (K,) into it, so that features and labels follow
alike.

Every function is pure: randomness comes from the generator that is passed in, and nothing is
written to. Segments, reversed and rewound ones are those of ReWiND (arXiv:2505.10911) and Robometer
(arXiv:2603.02115); near misses those of RoboReward (arXiv:2601.00675).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from roborew.errors import InvalidInputError
from roborew.types import BoolArray

Indices = NDArray[np.int64]


def evenly_spaced(indices: Indices, count: int) -> Indices:
    """Choose ``count`` of the indices, evenly, the first and the last among them; the last is
    repeated where there are too few.

    >>> evenly_spaced(np.array([2, 3, 4, 5, 6]), 3).tolist(), evenly_spaced(np.array([2, 3]), 4).tolist()
    ([2, 4, 6], [2, 3, 3, 3])
    """
    last = len(indices) - 1
    if len(indices) <= count:
        places = np.minimum(np.arange(count), last)
        return indices[places]
    even = np.linspace(0, last, count)
    nearest: Indices = np.rint(even).astype(np.int64)
    return indices[nearest]


def sample_segment(rng: np.random.Generator, length: int) -> Indices:
    """Draw a piece of an episode of T >= 2 frames, in time order, of at least two frames.

    >>> sample_segment(np.random.default_rng(0), 2).tolist()
    [0, 1]
    """
    first, second = sample_pairs(rng, length, 1)
    ends = (int(first[0]), int(second[0]))
    start = min(ends)
    stop = max(ends) + 1
    return np.arange(start, stop)


def reverse(indices: Indices) -> Indices:
    """The same frames, the last first.

    >>> reverse(np.array([3, 4, 5])).tolist()
    [5, 4, 3]
    """
    return indices[::-1].copy()


def sample_rewound(rng: np.random.Generator, indices: Indices) -> Indices:
    """The frames, then some of them backwards: at least one, without the turning frame, at most
    back to the first.

    >>> sample_rewound(np.random.default_rng(0), np.array([4, 5])).tolist()
    [4, 5, 4]
    """
    _check_length(len(indices))
    count = int(rng.integers(1, len(indices)))
    # The turning frame is not repeated: a robot that rewinds does not wait there.
    backwards = reverse(indices)[1 : count + 1]
    return np.concatenate([indices, backwards])


def sample_near_miss(
    rng: np.random.Generator, labels: NDArray[np.float32], reached: BoolArray, low: float
) -> Indices | None:
    """Draw the start of a success, cut off before it is done.

    Args:
        rng: decides where it is cut.
        labels: progress of each frame, shape (T,); NaN is never cut at.
        reached: where the goal counts as reached, shape (T,); no such frame is kept.
        low: the last frame that is kept has at least so much progress.

    Returns:
        Indices 0 up to the cut; None where no cut keeps both.

    >>> labels = np.array([0, 0.2, 0.6, 0.95, 1], np.float32)
    >>> sample_near_miss(np.random.default_rng(0), labels, labels > 0.9, 0.5).tolist()
    [0, 1, 2]
    """
    done = np.flatnonzero(reached)
    unfinished = labels[: done[0]] if len(done) else labels
    cuts = np.flatnonzero(unfinished >= low)
    if not len(cuts):
        return None
    return np.arange(int(rng.choice(cuts)) + 1)


def sample_pairs(rng: np.random.Generator, length: int, count: int) -> tuple[Indices, Indices]:
    """Draw two different frames each, in either order with the same probability; every pair is as
    likely as any other."""
    _check_length(length)
    first = rng.integers(0, length, count)
    # A step of 1 to T - 1 round the circle reaches every other frame once, and never the frame
    # itself: no pair has to be drawn again.
    steps = rng.integers(1, length, count)
    return first, (first + steps) % length


def stratum(instruction: str, quality: str | None, success: bool | None) -> str:
    """Name the task and the outcome of an episode: what batches are balanced and episodes are
    dealt by."""
    return f"{instruction}/{quality or success}"


def sample_stratified(rng: np.random.Generator, strata: Sequence[Hashable], count: int) -> Indices:
    """Draw indices so that every stratum is as likely as any other, however many there are of it.

    >>> drawn = sample_stratified(np.random.default_rng(0), ["success"] * 99 + ["failure"], 1000)
    >>> bool(400 < (drawn == 99).sum() < 600)
    True
    """
    groups = _indices_by_stratum(strata)
    if not groups:
        raise InvalidInputError("sampling: expected at least one episode to draw from; got none.")
    numbers = rng.integers(0, len(groups), count)
    indices = list[int]()
    for number in numbers:
        group = groups[int(number)]
        place = int(rng.integers(len(group)))
        indices.append(group[place])
    return np.array(indices, np.int64)


def stratified_bootstrap(rng: np.random.Generator, strata: Sequence[Hashable]) -> Indices:
    """Draw as many indices of every stratum as there are, with replacement, in a random order.

    >>> drawn = stratified_bootstrap(np.random.default_rng(0), ["success"] * 9 + ["failure"])
    >>> bool((drawn == 9).sum() == 1), len(set(drawn.tolist())) < 10
    (True, True)
    """
    groups = _indices_by_stratum(strata)
    resampled = [rng.choice(np.array(group), len(group)) for group in groups]
    return rng.permutation(np.concatenate(resampled))


def progress_uniform_weights(
    labels: NDArray[np.float32], tolerance: float = 0.02
) -> NDArray[np.float64]:
    """Probabilities of an episode's frames by which any progress is about as likely as any other,
    however long it rests.

    Args:
        labels: progress of each frame, shape (T,), T >= 1; a frame without one (NaN) has the
            probability 1 / T.
        tolerance: frames no farther apart in progress than this share their probability.

    Returns:
        Probabilities above 0, shape (T,), of sum 1.

    >>> progress_uniform_weights(np.array([0, 0.5, 1, 1, 1, 1], np.float32)).round(2).tolist()
    [0.33, 0.33, 0.08, 0.08, 0.08, 0.08]
    """
    weights = np.full(len(labels), 1 / len(labels))
    labeled = ~np.isnan(labels)
    if not labeled.any():
        return weights
    progress = labels[labeled].astype(np.float64)
    ordered = np.sort(progress)
    below = np.searchsorted(ordered, progress - tolerance, "left")
    above = np.searchsorted(ordered, progress + tolerance, "right")
    # Frames of about the same progress, `above - below` of them, share what one alone would get.
    density = 1 / (above - below)
    weights[labeled] = labeled.mean() * density / density.sum()
    return weights


def _indices_by_stratum(strata: Sequence[Hashable]) -> list[list[int]]:
    """Indices of each stratum, strata in the order in which they first occur."""
    groups: dict[Hashable, list[int]] = {}
    for index, name in enumerate(strata):
        groups.setdefault(name, []).append(index)
    return list(groups.values())


def _check_length(length: int) -> None:
    if length < 2:
        raise InvalidInputError(
            f"sampling: expected an episode of at least 2 frames; got {length}."
        )
