"""Chains of comparisons: each frame against the last one before it that got an answer.

Most often that is the frame just before. After an abstention it is an older one, so that an unread
answer breaks no
chain and counts as no change: the next answer spans the gap.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roborew.rewards.vlm.base import Values
from roborew.types import Clip, Frame, RecurrentState

Pair = tuple[int, int]
"""Two frames of a clip by their places, the earlier one first."""


def chain_pairs(answers: Mapping[Pair, float], length: int) -> list[Pair]:
    """Return the chain from frame 0 to each of the ``length - 1`` others, as far as the answers
    tell.

    Args:
        answers: what was said of a pair, NaN for an abstention. A pair without an entry is taken to
            get an answer.
        length: of the clip.

    >>> chain_pairs({(0, 1): np.nan, (0, 2): 0.5}, 4)
    [(0, 1), (0, 2), (2, 3)]
    """
    anchor, chain = 0, list[Pair]()
    for place in range(1, length):
        chain.append((anchor, place))
        if not np.isnan(answers.get((anchor, place), 0.0)):
            anchor = place
    return chain


def compare_chains(
    lengths: Sequence[int], ask: Callable[[list[tuple[int, Pair]]], Values]
) -> list[dict[Pair, float]]:
    """Ask until every chain is whole; no pair is asked twice, and all that can be asked together
    is.

    Args:
        lengths: of the clips.
        ask: answers to pairs (clip, (earlier, later)), NaN for abstentions.

    Returns:
        For each clip its chain in time order, pair -> answer.
    """
    answers = [dict[Pair, float]() for _ in lengths]
    while True:
        missing = [
            (clip, pair)
            for clip, (known, length) in enumerate(zip(answers, lengths, strict=True))
            for pair in chain_pairs(known, length)
            if pair not in known
        ]
        if not missing:
            break
        for (clip, pair), answer in zip(missing, ask(missing), strict=True):
            answers[clip][pair] = float(answer)
    return [
        {pair: known[pair] for pair in chain_pairs(known, length)}
        for known, length in zip(answers, lengths, strict=True)
    ]


def chain_curve(
    chain: Mapping[Pair, float], first: float, step: Callable[[float, float], float]
) -> Values:
    """Return the curve along a chain, shape (length,): NaN at a frame whose comparison is an
    abstention.

    Args:
        chain: of one clip, as `compare_chains` returns it.
        first: value of frame 0.
        step: value before and what was said -> value after.
    """
    curve = np.array([first] + [np.nan] * len(chain))
    for (earlier, later), answer in chain.items():
        if not np.isnan(answer):
            curve[later] = step(curve[earlier], answer)
    return curve


@dataclass(frozen=True, slots=True)
class ComparedEpisode:
    """The frames of an episode that are still needed.

    Attributes:
        clip: its new frames.
        start: its first frame.
        frames: the last frame with a value, then the new ones; the new ones alone where the episode
            begins.
        first: the value of ``frames[0]``.
    """

    clip: Clip
    start: Frame
    frames: list[Frame]
    first: float

    @property
    def new(self) -> slice:
        """Where in ``frames`` the new ones are."""
        return slice(len(self.frames) - len(self.clip.frames), None)

    @property
    def begins(self) -> bool:
        """Whether the first of the new frames is the episode's first."""
        return len(self.frames) == len(self.clip.frames)


def resume_episode(clip: Clip, state: RecurrentState) -> ComparedEpisode:
    """Return an episode as it goes on after a memory; progress begins at 0."""
    if not state:
        return ComparedEpisode(clip, clip.frames[0], list(clip.frames), 0.0)
    return ComparedEpisode(
        clip, state["start"], [state["anchor"], *clip.frames], float(state["value"][0])
    )


def episode_state(episode: ComparedEpisode, curve: Values) -> dict[str, NDArray[Any]]:
    """Return what `resume_episode` needs, with the curve of all of the episode's frames, at least the first
    of them known."""
    last = int(np.flatnonzero(~np.isnan(curve))[-1])
    return {
        "start": episode.start.copy(),
        "anchor": episode.frames[last].copy(),
        "value": curve[[last]],
    }
