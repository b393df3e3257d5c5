"""Chains of comparisons: each frame against the last one before it that got an answer.

Most often that is the frame just before. After an abstention it is an older one, so that an unread
answer breaks no chain and counts as no change: the next answer spans the gap.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roborew.rewards.vlm.scales import Values
from roborew.types import Clip, Frame, RecurrentState

Pair = tuple[int, int]
"""Two frames of a clip by their indices, the earlier one first."""


def chain_pairs(answers: Mapping[Pair, float], length: int) -> list[Pair]:
    """Return the chain from frame 0 to each of the ``length - 1`` others, as far as it is known.

    Args:
        answers: answer to each pair, NaN for an abstention. A pair without an entry is taken to
            get an answer.
        length: of the clip.

    >>> chain_pairs({(0, 1): np.nan, (0, 2): 0.5}, 4)
    [(0, 1), (0, 2), (2, 3)]
    """
    anchor = 0
    chain: list[Pair] = []
    for index in range(1, length):
        pair = (anchor, index)
        chain.append(pair)
        abstained = np.isnan(answers.get(pair, 0.0))
        if not abstained:
            anchor = index
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
    answers: list[dict[Pair, float]] = [{} for _ in lengths]
    missing = _unanswered(answers, lengths)
    # Each round of abstentions moves anchors back and so adds pairs; it ends, as pairs are finite.
    while missing:
        for (clip, pair), answer in zip(missing, ask(missing), strict=True):
            answers[clip][pair] = float(answer)
        missing = _unanswered(answers, lengths)
    chains: list[dict[Pair, float]] = []
    for clip_answers, length in zip(answers, lengths, strict=True):
        pairs = chain_pairs(clip_answers, length)
        chains.append({pair: clip_answers[pair] for pair in pairs})
    return chains


def _unanswered(
    answers: Sequence[Mapping[Pair, float]], lengths: Sequence[int]
) -> list[tuple[int, Pair]]:
    missing: list[tuple[int, Pair]] = []
    for clip, length in enumerate(lengths):
        clip_answers = answers[clip]
        for pair in chain_pairs(clip_answers, length):
            if pair not in clip_answers:
                missing.append((clip, pair))
    return missing


def chain_curve(
    chain: Mapping[Pair, float], first: float, step: Callable[[float, float], float]
) -> Values:
    """Return the curve along a chain, shape (length,): NaN at a frame whose comparison is an
    abstention.

    Args:
        chain: of one clip, as `compare_chains` returns it.
        first: value of frame 0.
        step: value of the earlier frame and answer -> value of the later one.
    """
    curve = np.full(1 + len(chain), np.nan)
    curve[0] = first
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


def resume_episode(clip: Clip, state: RecurrentState) -> ComparedEpisode:
    """Return an episode as it goes on from a state; progress begins at 0."""
    if not state:
        return ComparedEpisode(clip, start=clip.frames[0], frames=list(clip.frames), first=0.0)
    return ComparedEpisode(
        clip,
        start=state["start"],
        frames=[state["anchor"], *clip.frames],
        first=float(state["value"][0]),
    )


def episode_state(episode: ComparedEpisode, curve: Values) -> dict[str, NDArray[Any]]:
    """Return what `resume_episode` needs.

    Args:
        episode: as it was scored.
        curve: values of all of the episode's frames, at least the first of them known.
    """
    last_known = int(np.flatnonzero(~np.isnan(curve))[-1])
    # Copies: a view would keep the whole video of the clip alive.
    return {
        "start": episode.start.copy(),
        "anchor": episode.frames[last_known].copy(),
        "value": curve[[last_known]],
    }
