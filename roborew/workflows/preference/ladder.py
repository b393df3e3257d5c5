"""Which pairs climb a ladder of goals: new frames against the best so far, and the best against each other
(GoalLadder, arXiv:2506.16396).

The paper asks all along; here the ladder is climbed once a round, with new frames first. What stands on it is
reckoned from the labels alone, so that a run that goes on asks what it would have asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations, takewhile

import numpy as np

from roborew.data.demonstration import Demonstration
from roborew.data.preferences import Pair, Preference, Segment
from roborew.learning.elo import elo_ratings
from roborew.workflows.preference.selection import choose_pairs

RUNGS = 16
"""So many frames, those that are rated highest, are compared with each other."""


def discovery_pairs(
    rng: np.random.Generator,
    episodes: Sequence[Demonstration],
    recent: int,
    count: int,
    labels: Sequence[Preference],
) -> list[Pair]:
    """Frames of the last round, each against the best before it; of any two, where there is none.

    Args:
        rng: draws them.
        episodes: all so far, those of the last round at the end.
        recent: how many of them are of the last round.
        count: pairs.
        labels: all so far, in their order; those of the last round are not read.
    """
    rungs = _rungs(_labels_before(labels, episodes[len(episodes) - recent :]))
    pairs = choose_pairs(rng, episodes, recent, count, "recent", None)
    if not rungs:
        return pairs
    names = {episode.name for episode in episodes[len(episodes) - recent :]}
    against: dict[Pair, None] = {}
    for first, second in pairs:
        # In either place: which picture is shown first must say nothing.
        against[(first, rungs[0]) if first[0] in names else (rungs[0], second)] = None
    return list(against)


def best_against_each_other(
    rng: np.random.Generator,
    episodes: Sequence[Demonstration],
    recent: int,
    count: int,
    labels: Sequence[Preference],
    discovery: Sequence[Pair],
) -> list[Pair]:
    """Pairs of the highest rungs that nobody compared yet; arguments as of `discovery_pairs`, and the pairs
    that discovered in this round, which are labeled."""
    before = _labels_before(labels, episodes[len(episodes) - recent :])
    discovered = set(discovery)
    rated = [*before, *(label for label in labels[len(before) :] if label.pair in discovered)]
    compared = {frozenset(label.pair) for label in rated}
    pairs = [pair for pair in combinations(_rungs(rated), 2) if frozenset(pair) not in compared]
    chosen = rng.permutation(len(pairs))[:count]
    swapped = rng.random(len(chosen)) < 0.5
    return [
        pairs[row][::-1] if swap else pairs[row]
        for row, swap in zip(chosen.tolist(), swapped.tolist(), strict=True)
    ]


def _labels_before(
    labels: Sequence[Preference], episodes: Iterable[Demonstration]
) -> list[Preference]:
    """The labels before the first one of a frame of these episodes: a round begins with such a one."""
    names = {episode.name for episode in episodes}
    return list(takewhile(lambda label: names.isdisjoint(name for name, _ in label.pair), labels))


def _rungs(labels: Sequence[Preference]) -> list[Segment]:
    """The frames that are rated highest, the best one first."""
    ratings = elo_ratings(
        (label.first, label.second, label.label) for label in labels if label.label is not None
    )
    return sorted(ratings, key=lambda segment: -ratings[segment])[:RUNGS]
