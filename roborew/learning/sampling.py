"""What a critic is shown of a demonstration: frames as positions (K,) in it, so that features and
labels follow alike.

Every function is pure: what is drawn comes from the generator that is passed in, and nothing is
written to. Segments, reversed and rewound ones are those of ReWiND (arXiv:2505.10911) and Robometer
(arXiv:2603.02115); near misses those of RoboReward (arXiv:2601.00675).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from roborew.errors import InvalidInputError

Indices = NDArray[np.int64]


def evenly_spaced(positions: Indices, count: int) -> Indices:
    """Choose ``count`` of the positions, evenly, the first and the last among them; the last is
    repeated where there are too few.

    >>> spread(np.array([2, 3, 4, 5, 6]), 3).tolist(), spread(np.array([2, 3]), 4).tolist()
    ([2, 4, 6], [2, 3, 3, 3])
    """
    if len(positions) <= count:
        return positions[np.minimum(np.arange(count), len(positions) - 1)]
    chosen: Indices = np.rint(np.linspace(0, len(positions) - 1, count)).astype(np.int64)
    return positions[chosen]


def sample_segment(rng: np.random.Generator, length: int) -> Indices:
    """A piece of an episode of T >= 2 frames, in time order, of at least two frames.

    >>> segment(np.random.default_rng(0), 2).tolist()
    [0, 1]
    """
    (one,), (other,) = sample_pairs(rng, length, 1)
    return np.arange(min(int(one), int(other)), max(int(one), int(other)) + 1)


def reverse(positions: Indices) -> Indices:
    """The same frames, the last first.

    >>> reverse(np.array([3, 4, 5])).tolist()
    [5, 4, 3]
    """
    return positions[::-1].copy()


def sample_rewound(rng: np.random.Generator, positions: Indices) -> Indices:
    """The frames, then some of them backwards: at least one, without the turning frame, at most
    back to the first.

    >>> rewind(np.random.default_rng(0), np.array([4, 5])).tolist()
    [4, 5, 4]
    """
    back = int(rng.integers(1, _long_enough(len(positions))))
    return np.concatenate([positions, positions[::-1][1 : back + 1]])


def sample_near_miss(
    rng: np.random.Generator, labels: NDArray[np.float32], low: float, high: float
) -> Indices | None:
    """The start of a success, cut off before it is done.

    Args:
        rng: decides where it is cut.
        labels: progress of each frame, shape (T,); NaN is never cut at.
        low: the last frame that is kept has at least so much progress.
        high: no frame that is kept has so much.

    Returns:
        Positions 0 up to the cut; None where no cut keeps both.

    >>> near_miss(np.random.default_rng(0), np.array([0, 0.2, 0.6, 0.95, 1], np.float32), 0.5, 0.9).tolist()
    [0, 1, 2]
    """
    reached = np.nonzero(labels >= high)[0]
    before = labels[: reached[0]] if len(reached) else labels
    cuts = np.nonzero(before >= low)[0]
    return np.arange(int(rng.choice(cuts)) + 1) if len(cuts) else None


def sample_pairs(rng: np.random.Generator, length: int, count: int) -> tuple[Indices, Indices]:
    """Two different frames each, in either order with the same probability; every pair is as likely
    as any other."""
    first = rng.integers(0, _long_enough(length), count)
    return first, (first + rng.integers(1, length, count)) % length


def sample_stratified(rng: np.random.Generator, strata: Sequence[Hashable], count: int) -> Indices:
    """Draw positions so that every kind is as likely as any other, however many there are of it.

    >>> drawn = balanced(np.random.default_rng(0), ["success"] * 99 + ["failure"], 1000)
    >>> bool(400 < (drawn == 99).sum() < 600)
    True
    """
    members: dict[Hashable, list[int]] = {}
    for position, kind in enumerate(strata):
        members.setdefault(kind, []).append(position)
    if not members:
        raise InvalidInputError("sampling: expected at least one episode to draw from; got none.")
    groups = list(members.values())
    chosen = (groups[int(kind)] for kind in rng.integers(0, len(groups), count))
    return np.array([group[int(rng.integers(len(group)))] for group in chosen], np.int64)


def progress_uniform_weights(
    labels: NDArray[np.float32], tolerance: float = 0.02
) -> NDArray[np.float64]:
    """Chances of an episode's frames by which any progress is about as likely as any other, however
    long it rests.

    Args:
        labels: progress of each frame, shape (T,), T >= 1; a frame without one (NaN) has the chance
            1 / T.
        near: frames no farther apart in progress than this share their chance.

    Returns:
        Chances above 0, shape (T,), of sum 1.

    >>> by_progress(np.array([0, 0.5, 1, 1, 1, 1], np.float32)).round(2).tolist()
    [0.33, 0.33, 0.08, 0.08, 0.08, 0.08]
    """
    told = ~np.isnan(labels)
    chances = np.full(len(labels), 1 / len(labels))
    if told.any():
        known = labels[told].astype(np.float64)
        order = np.sort(known)
        shares = 1 / (
            np.searchsorted(order, known + tolerance, "right")
            - np.searchsorted(order, known - tolerance, "left")
        )
        chances[told] = told.mean() * shares / shares.sum()
    return chances


def stratified_bootstrap(rng: np.random.Generator, strata: Sequence[Hashable]) -> Indices:
    """As many positions of every kind as there are, drawn with replacement, in a random order.

    >>> drawn = bootstrap(np.random.default_rng(0), ["success"] * 9 + ["failure"])
    >>> bool((drawn == 9).sum() == 1), len(set(drawn.tolist())) < 10
    (True, True)
    """
    members: dict[Hashable, list[int]] = {}
    for position, kind in enumerate(strata):
        members.setdefault(kind, []).append(position)
    return rng.permutation(
        np.concatenate([rng.choice(np.array(group), len(group)) for group in members.values()])
    )


def _long_enough(length: int) -> int:
    if length < 2:
        raise InvalidInputError(
            f"sampling: expected an episode of at least 2 frames; got {length}."
        )
    return length
