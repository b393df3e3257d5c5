"""Which pairs of frames a judge is asked about."""

from __future__ import annotations

from collections.abc import Sequence

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
    """
    by_disagreement = selection == "disagreement" and critic is not None
    num_drawn = CANDIDATES * count if by_disagreement else count
    first_recent = 0 if selection == "uniform" else len(episodes) - recent
    pairs: dict[Pair, None] = {}
    for _ in range(DRAWS):
        if len(pairs) < num_drawn:
            pairs |= dict.fromkeys(_draw(rng, episodes, first_recent, num_drawn))
    candidates = [*pairs][:num_drawn]
    if by_disagreement:
        assert critic is not None
        return most_disputed(candidates, count, episodes, critic)
    return candidates


def _draw(
    rng: np.random.Generator, episodes: Sequence[Demonstration], first_recent: int, count: int
) -> list[Pair]:
    """Draw pairs, one frame of each from an episode of this number or a later one."""
    first = rng.integers(first_recent, len(episodes), count)
    second = rng.integers(0, len(episodes), count)
    # In either place: which picture is shown first must say nothing.
    swapped = rng.random(count) < 0.5
    owners = np.where(swapped, [second, first], [first, second]).T
    lengths = np.array([episode.length for episode in episodes])
    frames = rng.integers(0, lengths[owners])

    def segment(row: int, place: int) -> Segment:
        return episodes[int(owners[row, place])].name, int(frames[row, place])

    return [(segment(row, 0), segment(row, 1)) for row in range(count)]
