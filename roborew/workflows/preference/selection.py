"""Which pairs of frames a judge is asked about."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from roborew.critics.critic import Critic
from roborew.data import side_by_side
from roborew.data.demonstration import Demonstration
from roborew.data.preferences import Pair, Segment
from roborew.learning.sampling import Indices
from roborew.types import Clip, stack_frames
from roborew.workflows.preference.settings import Selection

CANDIDATES = 8
"""So many times as many pairs are looked at as those with the largest disagreement are asked about."""


def choose_pairs(
    rng: np.random.Generator,
    episodes: Sequence[Demonstration],
    recent: int,
    count: int,
    selection: Selection,
    critic: Critic | None,
) -> list[Pair]:
    """Draw pairs of frames, by `PreferenceSettings.selection`.

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
    first = rng.integers(first_recent, len(episodes), num_drawn)
    second = rng.integers(0, len(episodes), num_drawn)
    # In either place: which picture is shown first must say nothing.
    swapped = rng.random(num_drawn) < 0.5
    owners = np.where(swapped, [second, first], [first, second]).T
    lengths = np.array([episode.length for episode in episodes])
    frames = rng.integers(0, lengths[owners])
    rows = np.arange(num_drawn)
    if by_disagreement:
        assert critic is not None
        gaps = _disagreement(critic, episodes, owners, frames)
        rows = np.argsort(-gaps, kind="stable")[:count]

    def segment(row: int, place: int) -> Segment:
        return episodes[int(owners[row, place])].name, int(frames[row, place])

    return [(segment(int(row), 0), segment(int(row), 1)) for row in rows]


def _disagreement(
    critic: Critic, episodes: Sequence[Demonstration], owners: Indices, frames: Indices
) -> NDArray[np.float64]:
    """How far the members differ in by how much the second frame of each pair is better, (N,)."""
    values: list[NDArray[np.float64]] = []
    for episode in episodes:
        views = map(episode.frames, critic.cameras)
        video = stack_frames(map(side_by_side, zip(*views, strict=True)))
        clip = Clip(frames=video, instruction=episode.instruction)
        values += critic.member_values([clip])
    gaps: list[NDArray[np.float64]] = []
    for row in range(len(owners)):
        first, second = (
            values[int(owners[row, place])][:, int(frames[row, place])] for place in (0, 1)
        )
        gaps.append(second - first)
    return np.stack(gaps).std(axis=1)
