"""Which pairs of frames a judge is asked about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from roborew.critics.critic import Critic
from roborew.data.demonstration import Demonstration
from roborew.data.preferences import Pair, Segment
from roborew.workflows.label.disagreement import CANDIDATES, most_disputed
from roborew.workflows.preference.settings import Selection

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
        one_episode: share of the pairs whose frames are of one episode.
    """
    first_recent = 0 if selection == "uniform" else len(episodes) - recent
    disputed_by = critic if selection == "disagreement" else None
    factor = 1 if disputed_by is None else CANDIDATES
    draw = partial(_draw, rng, episodes, first_recent)
    num_own = round(one_episode * count)
    own = _different(partial(draw, is_one_episode=True), factor * num_own, [])
    # Of one episode there may be too few: others fill their place.
    num_own = min(num_own, len(own))
    across = _different(partial(draw, is_one_episode=False), factor * (count - num_own), own)
    if disputed_by is None:
        return own + across
    return most_disputed((own, across), (num_own, count - num_own), episodes, disputed_by)


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
