"""Where the critics of an ensemble differ most: what is worth asking about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from roborew.critics.critic import Critic
from roborew.critics.ensemble import PreferenceEnsemble
from roborew.data.demonstration import Demonstration
from roborew.data.preferences import Pair, Segment
from roborew.errors import InvalidInputError
from roborew.types import Clip, stack_frames

CANDIDATES = 8
"""So many times as many pairs are looked at as those with the largest disagreement are asked about."""


def member_values(
    critic: Critic, episodes: Sequence[Demonstration]
) -> dict[str, NDArray[np.float64]]:
    """What each member of a critic says of every frame of each episode, by its name, (members, frames)."""
    values: dict[str, NDArray[np.float64]] = {}
    for episode in episodes:
        video = stack_frames(episode.moments(critic.cameras), episode.length)
        clip = Clip(frames=video, instruction=episode.instruction)
        [values[episode.name]] = critic.member_values([clip])
    return values


def most_disputed(
    pairs: Sequence[Pair], count: int, values: Mapping[str, NDArray[np.float64]], frames: int = 1
) -> list[Pair]:
    """The pairs on which the members of a critic differ most, most of all first.

    Args:
        pairs: candidates.
        count: how many of them.
        values: of `member_values`.
        frames: length of each piece.
    """
    if not pairs:
        return []
    gaps = _disagreement(values, pairs, frames)
    rows = np.argsort(-gaps, kind="stable")[:count]
    return [pairs[row] for row in rows.tolist()]


def load_ensemble(folder: Path) -> Critic:
    """Load a critic whose members can disagree.

    Raises:
        InvalidInputError: it is no ensemble that was fitted to labels.
        RoborewError: it cannot be read.
    """
    critic = Critic.from_pretrained(folder)
    if not isinstance(critic.objective, PreferenceEnsemble):
        raise InvalidInputError(
            f"critic: {folder} is no ensemble that was fitted to labels; make one with `roborew fit "
            "SET --critic bradley_terry --ensemble-size 3`."
        )
    return critic


def _disagreement(
    values: Mapping[str, NDArray[np.float64]], pairs: Sequence[Pair], frames: int
) -> NDArray[np.float64]:
    """How far the members differ in by how much the second piece of each pair is better, (N,)."""

    def worth(segment: Segment) -> NDArray[np.float64]:
        name, first = segment
        return values[name][:, first : first + frames].mean(axis=1)

    gaps = [worth(second) - worth(first) for first, second in pairs]
    return np.stack(gaps).std(axis=1)
