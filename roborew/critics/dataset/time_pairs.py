"""Pairs of frames with the time from one to the other: what `time_rewarder` learns from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roborew.errors import InvalidInputError
from roborew.learning.examples import Example
from roborew.learning.labels import progress_from_success, success_labels
from roborew.learning.packed_episodes import PackedEpisodes
from roborew.learning.sampling import Indices

OTHER_SENTENCE_RATIO = 0.1
"""Share of the pairs under a sentence that their episode does not fulfil, where any is known."""


@dataclass(frozen=True, slots=True)
class TimePairBatch:
    """Pairs of frames, shape (B,) each.

    Attributes:
        before: the first frame, a row of the stack of all frames.
        after: the second one.
        distance: from the first to the second, float32, in [-1, 1].
        instruction: row of the sentence that is given.
    """

    before: Indices
    after: Indices
    distance: NDArray[np.float32]
    instruction: Indices


class TimePairSampler:
    """Draws pairs of frames of experts, near ones more often than far ones, and of failures.

    Args:
        examples: at least one that is not a failure.
        failure_ratio: share of the pairs that show failures, where there are any.

    Raises:
        InvalidInputError: there are failures only.
    """

    def __init__(self, examples: Sequence[Example], failure_ratio: float) -> None:
        self.episodes = PackedEpisodes(examples)
        is_failure = np.array([example.success is False for example in examples])
        self._experts = np.flatnonzero(~is_failure)
        self._failures = np.flatnonzero(is_failure)
        if not len(self._experts):
            raise InvalidInputError(
                f"time_rewarder: expected at least one success to learn from; got {len(examples)} "
                "failures."
            )

        self._failure_ratio = failure_ratio
        self._levels = np.concatenate([time_levels(example) for example in examples])
        # A failure is compared with the experts of its own sentence, if any.
        self._rivals = [
            [row for row in same_task if not is_failure[row]]
            for same_task in self.episodes.same_task
        ]
        longest = int(self.episodes.lengths.max())
        inverse_gaps = 1 / np.arange(1, longest)
        self._gap_mass: NDArray[np.float64] = np.cumsum(inverse_gaps)

    def sample(self, rng: np.random.Generator, count: int) -> TimePairBatch:
        """Draw pairs; each is as often given the other way round."""
        episodes, is_failure = self._sample_episodes(rng, count)
        first, second = self._sample_rows(rng, episodes)
        is_mismatched = is_failure & (rng.random(count) < 0.5)
        for place in np.flatnonzero(is_mismatched):
            first[place] = self._rival_row(rng, episodes[place], first[place])
        is_turned = rng.random(count) < 0.5
        before = np.where(is_turned, second, first)
        after = np.where(is_turned, first, second)

        sentences = self.episodes.instructions
        matching = sentences.sample_matching(rng, episodes)
        mismatched = sentences.sample_mismatched(rng, episodes)
        is_other = (mismatched >= 0) & (rng.random(count) < OTHER_SENTENCE_RATIO)
        instruction = np.where(is_other, mismatched, matching)
        distance = np.where(is_other, np.float32(0), self._levels[after] - self._levels[before])
        return TimePairBatch(before, after, distance, instruction)

    def _sample_episodes(
        self, rng: np.random.Generator, count: int
    ) -> tuple[Indices, NDArray[np.bool_]]:
        """Episodes, and whether each is a failure, (B,) each."""
        experts = rng.choice(self._experts, count)
        if not len(self._failures):
            return experts, np.zeros(count, np.bool_)
        is_failure = rng.random(count) < self._failure_ratio
        failures = rng.choice(self._failures, count)
        return np.where(is_failure, failures, experts), is_failure

    def _sample_rows(self, rng: np.random.Generator, episodes: Indices) -> tuple[Indices, Indices]:
        """An earlier and a later row of each episode, gaps in inverse proportion to their length."""
        lengths = self.episodes.lengths[episodes]
        # The mass of all gaps that fit into an episode of T frames, 1 to T - 1, stands at T - 2.
        mass = rng.random(len(episodes)) * self._gap_mass[lengths - 2]
        gaps: Indices = 1 + np.searchsorted(self._gap_mass, mass, side="right")
        start = rng.integers(0, lengths - gaps)
        return self.episodes.rows(episodes, start), self.episodes.rows(episodes, start + gaps)

    def _rival_row(self, rng: np.random.Generator, episode: int, row: int) -> int:
        """A row of an expert of the failure's sentence; the given one where there is none."""
        rivals = self._rivals[episode]
        if not rivals:
            return row
        rival = rivals[int(rng.integers(len(rivals)))]
        length = int(self.episodes.lengths[rival])
        step = int(rng.integers(length))
        return int(self.episodes.starts[rival]) + step


def time_levels(example: Example) -> NDArray[np.float32]:
    """Return where in an expert's time each frame is, shape (T,), in [0, 1].

    Of an expert, or an episode of which nothing is said, time up to its first success, and 1 from
    there on. Of a failure its own progress labels, 0 where there are none.
    """
    length = len(example.features)
    if example.success is False:
        if example.progress is None:
            return np.zeros(length, np.float32)
        return np.nan_to_num(example.progress).astype(np.float32)
    holds = success_labels(example, success_threshold=1.0) == 1
    first = int(np.argmax(holds)) if holds.any() else length - 1
    steps: Indices = np.arange(length)
    return progress_from_success(steps >= first)
