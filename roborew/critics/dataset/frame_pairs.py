"""Pairs of frames with their progress, drawn from episodes: what `pair` and `hop` learn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roborew.learning.examples import Example
from roborew.learning.instructions import InstructionSampler
from roborew.learning.labels import progress_labels, success_labels
from roborew.learning.sampling import Indices, sample_stratified

NEAR = 8
"""Half of the pairs are at most so many frames apart: progress is summed up over such steps."""
STILL, FOREIGN, ANCHORED = 0.05, 0.1, 0.25
"""Shares of pairs of frames between which next to no pixel changes (a frame with itself where there
are no others, or nobody looked), under another task's sentence, and with the episode's start
first."""
REFUSED = 0.25
"""Share of the pairs under a sentence that the task names wrong, of episodes that have such."""


@dataclass(frozen=True, slots=True)
class FramePairBatch:
    """Pairs of frames of one batch, as positions in the stack of all frames, shape (B,) each.

    Attributes:
        start: the first frame of the pair's episode.
        before: the first of the pair.
        after: the second.
        p: progress of the first, NaN where nobody knows.
        q: progress of the second.
        done: whether the goal holds in the second, 0 or 1, NaN where nobody knows.
        sentence: row of `roborew.learning.instructions` that is given.
        asked: the episode that brought it; the pair's own one for a sentence that its task names
            wrong.
        matched: whether the pair's task is meant; if not, it did not move.
    """

    first: Indices
    before: Indices
    after: Indices
    progress_before: NDArray[np.float32]
    progress_after: NDArray[np.float32]
    success: NDArray[np.float32]
    instruction: Indices
    instruction_episode: Indices
    matches: NDArray[np.bool_]


class FramePairSampler:
    """Draws pairs of frames from episodes, every grade of every task as often as the others.

    Args:
        examples: at least one.
    """

    def __init__(self, examples: Sequence[Example]) -> None:
        self._kinds = [
            (example.instruction, example.quality or example.success) for example in examples
        ]
        self._sentences = InstructionSampler(examples)
        self._lengths = np.array([len(example.features) for example in examples])
        self._starts = np.cumsum([0, *self._lengths[:-1]])
        self._progress = np.concatenate([progress_labels(example) for example in examples])
        self._success = np.concatenate([success_labels(example) for example in examples])
        self._still = np.concatenate(
            [
                np.arange(len(e.features)) if e.static_since is None else e.static_since
                for e in examples
            ]
        )

    def sample(self, rng: np.random.Generator, count: int) -> FramePairBatch:
        """Pairs near and far, forwards and backwards, of frames alike, from the start, and under a
        wrong sentence; each pair is as often shown the other way round."""
        episodes = sample_stratified(rng, self._kinds, count)
        lengths, starts = self._lengths[episodes], self._starts[episodes]
        one = rng.integers(0, lengths)
        gap = np.where(
            rng.random(count) < 0.5, rng.integers(1, NEAR + 1, count), rng.integers(1, lengths)
        )
        other = np.where(one + gap < lengths, one + gap, np.maximum(one - gap, 0))
        kind = rng.random(count)
        alike, stands = self._alike(starts, one, kind / STILL), kind < STILL
        other = np.where(stands, alike, np.where(kind > 1 - ANCHORED, 0, other))
        swapped = rng.random(count) < 0.5
        before, after = (
            np.where(swapped, other, one) + starts,
            np.where(swapped, one, other) + starts,
        )
        foreign = self._sentences.sample_mismatched(rng, episodes)
        named = foreign >= len(self._starts)
        wrong = (foreign >= 0) & (rng.random(count) < np.where(named, REFUSED, FOREIGN))
        sentence = np.where(wrong, foreign, self._sentences.sample_matching(rng, episodes))
        return FramePairBatch(
            first=starts,
            before=before,
            after=after,
            progress_before=self._progress[before],
            progress_after=np.where(stands, self._progress[before], self._progress[after]),
            success=np.where(wrong, np.float32(0), self._success[after]),
            instruction=sentence,
            instruction_episode=self._sentences.owner[sentence],
            matches=~wrong,
        )

    def _alike(self, starts: Indices, one: Indices, share: NDArray[np.float64]) -> Indices:
        """A frame before that looks like this one, the next of them for small shares in [0, 1)."""
        back = one - self._still[starts + one]
        return one - np.minimum(1 + np.floor(share * back).astype(np.int64), back)
