"""Pairs of frames of which one is further: what `clip_adapter` learns from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roborew.learning.examples import Example
from roborew.learning.instructions import InstructionSampler
from roborew.learning.labels import progress_labels, success_labels
from roborew.learning.sampling import Indices, sample_stratified

MIN_PROGRESS_GAP = 0.03
"""Least difference in progress by which two frames are ranked."""


@dataclass(frozen=True, slots=True)
class RankedPairs:
    """Pairs of frames under one sentence, each shape (B,).

    Attributes:
        first: rows of packed episodes.
        second: rows of packed episodes, of an episode of the same sentence.
        order: 1 where the second is further, -1 where the first is, 0 where nobody knows or it is
            the same; float32.
        matching: row of `roborew.learning.instructions`, a sentence that the first frame's episode
            fulfils.
        mismatched: row of a wrong sentence; -1 where none is known.
    """

    first: Indices
    second: Indices
    order: NDArray[np.float32]
    matching: Indices
    mismatched: Indices


class RankedPairSampler:
    """Draws pairs of frames that can be ranked.

    Args:
        examples: at least one.
    """

    def __init__(self, examples: Sequence[Example]) -> None:
        lengths = [len(example.features) for example in examples]
        self._lengths = np.array(lengths)
        self._starts = np.cumsum([0, *lengths[:-1]])
        self._instructions = InstructionSampler(examples)
        self._progress = np.concatenate([progress_labels(example) for example in examples])
        self._success = np.concatenate([success_labels(example) for example in examples])

        rows: dict[str, list[int]] = {}
        for row, example in enumerate(examples):
            rows.setdefault(example.instruction, []).append(row)
        self._partners = [rows[example.instruction] for example in examples]

        # Outcomes are balanced: failures are often few, and the pairs that tell most.
        self._strata = [(example.instruction, example.success) for example in examples]

    def sample(self, rng: np.random.Generator, count: int) -> RankedPairs:
        """Half the pairs are of one episode, half of any two of its sentence."""
        episodes = sample_stratified(rng, self._strata, count)
        within_one = rng.random(count) < 0.5
        partner_lists = [self._partners[int(episode)] for episode in episodes]
        partners = np.array([rng.choice(partners) for partners in partner_lists])
        mismatched = self._instructions.sample_mismatched(rng, episodes)

        # Within an episode order is learned, between two what a failure looks like.
        second_episodes = np.where(within_one, episodes, partners)
        first = self._sample_frame(rng, episodes)
        second = self._sample_frame(rng, second_episodes)

        return RankedPairs(
            first=first,
            second=second,
            order=self._order(first, second),
            matching=self._instructions.sample_matching(rng, episodes),
            mismatched=mismatched,
        )

    def _sample_frame(self, rng: np.random.Generator, episodes: Indices) -> Indices:
        """A row of each episode, shape (B,)."""
        return self._starts[episodes] + rng.integers(0, self._lengths[episodes])

    def _order(self, first: Indices, second: Indices) -> NDArray[np.float32]:
        """Which of two frames is further, shape (B,): 1, -1 or 0."""
        progress_gap = self._progress[second] - self._progress[first]
        success_gap = self._success[second] - self._success[first]
        # Nobody knows how far a failure came, but a success came further.
        one_succeeds = np.abs(success_gap) == 1
        known_by_success = np.where(one_succeeds, success_gap, 0)
        gap = np.where(np.isnan(progress_gap), known_by_success, progress_gap)

        differs = np.abs(gap) >= MIN_PROGRESS_GAP
        return np.where(differs, np.sign(gap), 0).astype(np.float32)
