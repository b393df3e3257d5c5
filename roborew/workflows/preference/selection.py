"""Which pairs of frames a judge is asked about."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from roborew.critics.critic import Critic
from roborew.data.demonstration import Demonstration
from roborew.data.preferences import Pair, Segment
from roborew.workflows.label.disagreement import (
    CANDIDATES,
    member_values,
    most_disputed,
)
from roborew.workflows.preference.settings import Selection

BEST_SHARE = 0.25
"""Of all frames, those that count as the best."""
DRAWS = 4
"""So often pairs are drawn at most: of few frames the same pair comes again."""


def choose_pairs(
    rng: np.random.Generator,
    episodes: Sequence[Demonstration],
    recent: int,
    count: int,
    selection: Selection,
    critic: Critic | None,
    one_episode: float = 0.0,
    among_best: float = 0.0,
) -> list[Pair]:
    """Draw different pairs of frames, by `PreferenceSettings.selection`; fewer, where there are hardly
    as many.

    Args:
        rng: draws them.
        episodes: all so far, those of the last round at the end.
        recent: how many of them are of the last round.
        count: pairs.
        selection: how they are chosen.
        critic: of the last round; None in the first, where nobody can disagree yet.
        one_episode: share of the pairs of any frames whose frames are of one episode.
        among_best: share of all pairs whose frames are among the best, if there is a critic that
            says so.
    """
    first_recent = 0 if selection == "uniform" else len(episodes) - recent
    draw = partial(_draw, rng, episodes, first_recent)
    within, across = partial(draw, is_one_episode=True), partial(draw, is_one_episode=False)
    if critic is None or selection != "disagreement":
        own = _different(within, round(one_episode * count), [])
        return own + _different(across, count - len(own), own)

    values = member_values(critic, episodes)
    best = best_frames(values)
    names = {episode.name for episode in episodes[first_recent:]}
    recent_best = [frame for frame in best if frame[0] in names]
    of_best = partial(_draw_of, rng, recent_best, best)
    num_best = round(among_best * count)
    num_own = round(one_episode * (count - num_best))
    chosen: list[Pair] = []
    for kind, share in ((of_best, num_best), (within, num_own), (across, count)):
        # Of the first two kinds there may be too few: the last fills their place.
        num_pairs = min(share, count - len(chosen))
        candidates = _different(kind, CANDIDATES * num_pairs, chosen)
        chosen += most_disputed(candidates, num_pairs, values)
    return chosen


def best_frames(values: Mapping[str, NDArray[np.float64]]) -> list[Segment]:
    """The frames in the upper `BEST_SHARE` of the scores.

    Args:
        values: of the members, (members, frames) of each episode by its name.
    """
    means = {name: row.mean(axis=0) for name, row in values.items()}
    least = np.quantile(np.concatenate([*means.values()]), 1 - BEST_SHARE)
    return [
        (name, frame)
        for name, row in means.items()
        for frame in np.flatnonzero(row >= least).tolist()
    ]


def _different(
    draw: Callable[[int], list[Pair]], count: int, earlier: Sequence[Pair]
) -> list[Pair]:
    """Different pairs that are none of the earlier ones, as many as can be drawn in a few goes."""
    excluded = set(earlier)
    pairs: dict[Pair, None] = {}
    for _ in range(DRAWS):
        if len(pairs) < count:
            pairs |= dict.fromkeys(pair for pair in draw(count) if pair not in excluded)
    return [*pairs][:count]


def _draw(
    rng: np.random.Generator,
    episodes: Sequence[Demonstration],
    first_recent: int,
    count: int,
    *,
    is_one_episode: bool,
) -> list[Pair]:
    """Draw pairs of two frames, one of each from an episode of this number or a later one."""
    first = rng.integers(first_recent, len(episodes), count)
    second = first if is_one_episode else rng.integers(0, len(episodes), count)
    # In either place: which picture is shown first must say nothing.
    swapped = rng.random(count) < 0.5
    owners = np.where(swapped, [second, first], [first, second]).T
    lengths = np.array([episode.length for episode in episodes])
    frames = rng.integers(0, lengths[owners])

    def segment(row: int, place: int) -> Segment:
        return episodes[int(owners[row, place])].name, int(frames[row, place])

    pairs = [(segment(row, 0), segment(row, 1)) for row in range(count)]
    return [pair for pair in pairs if pair[0] != pair[1]]


def _draw_of(
    rng: np.random.Generator, firsts: Sequence[Segment], seconds: Sequence[Segment], count: int
) -> list[Pair]:
    """Draw pairs of one of the first and one of the second frames, in any order."""
    if not firsts:
        return []
    first_rows = rng.integers(0, len(firsts), count)
    second_rows = rng.integers(0, len(seconds), count)
    swapped = rng.random(count) < 0.5
    pairs: list[Pair] = []
    for row in range(count):
        first, second = firsts[int(first_rows[row])], seconds[int(second_rows[row])]
        if first != second:
            pairs.append((second, first) if swapped[row] else (first, second))
    return pairs
