"""Pairs of frames with their progress, drawn from episodes: what `vlac_pairs` and `grm` learn
from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roborew.learning.examples import Example
from roborew.learning.packed_episodes import PackedEpisodes
from roborew.learning.sampling import Indices, sample_stratified

MAX_NEAR_STEPS = 8
"""Half of the pairs are at most so many frames apart: progress is summed up over such steps."""
STATIC_RATIO = 0.05
"""Share of pairs between which next to no pixel changes: a frame with itself where there are no
others, or nobody looked."""
FROM_START_RATIO = 0.25
"""Share of pairs whose first frame is the episode's first."""
OTHER_TASK_RATIO = 0.1
"""Share of pairs under another task's sentence."""
NEGATIVE_RATIO = 0.25
"""Share of the pairs under a sentence that the task names wrong, of episodes that have such."""


@dataclass(frozen=True, slots=True)
class FramePairBatch:
    """Pairs of frames, as rows of the stack of all frames, shape (B,) each.

    Attributes:
        first: the first frame of the pair's episode.
        before: the first of the pair.
        after: the second.
        progress_before: progress of the first, NaN where nobody knows.
        progress_after: progress of the second.
        success: whether the goal holds in the second, 0 or 1, NaN where nobody knows.
        instruction: row of `roborew.learning.instructions` that is given.
        instruction_episode: the episode that brought it; the pair's own one for a sentence that its
            task names wrong.
        matches: whether the pair's task is meant; if not, it did not move.
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
        self._episodes = PackedEpisodes(examples)

    def sample(self, rng: np.random.Generator, count: int) -> FramePairBatch:
        """Draw pairs near and far, forwards and backwards, of frames alike, from the start, and
        under a wrong sentence; each pair is as often given the other way round."""
        packed = self._episodes
        episodes = sample_stratified(rng, packed.strata, count)
        steps, partners, static = self._steps(rng, episodes)
        swapped = rng.random(count) < 0.5
        before = packed.rows(episodes, np.where(swapped, partners, steps))
        after = packed.rows(episodes, np.where(swapped, steps, partners))
        instruction, matches = self._instructions(rng, episodes)
        progress_before = packed.progress[before]
        return FramePairBatch(
            first=packed.starts[episodes],
            before=before,
            after=after,
            progress_before=progress_before,
            # Labels drift while nothing moves; what looks the same is as far.
            progress_after=np.where(static, progress_before, packed.progress[after]),
            success=np.where(matches, packed.success[after], np.float32(0)),
            instruction=instruction,
            instruction_episode=packed.instructions.owner[instruction],
            matches=matches,
        )

    def _steps(
        self, rng: np.random.Generator, episodes: Indices
    ) -> tuple[Indices, Indices, NDArray[np.bool_]]:
        """Steps of both frames in their episodes, and whether the pair looks the same, (B,) each."""
        count = len(episodes)
        lengths = self._episodes.lengths[episodes]
        steps = rng.integers(0, lengths)
        is_near = rng.random(count) < 0.5
        near_gap = rng.integers(1, MAX_NEAR_STEPS + 1, count)
        far_gap = rng.integers(1, lengths)
        gap = np.where(is_near, near_gap, far_gap)
        # Where the later frame would be beyond the end, the earlier one is taken instead.
        partners = np.where(steps + gap < lengths, steps + gap, np.maximum(steps - gap, 0))
        kind = rng.random(count)
        static = kind < STATIC_RATIO
        from_start = kind > 1 - FROM_START_RATIO
        partners = np.where(from_start, 0, partners)
        # Given that it is below the ratio, `kind / STATIC_RATIO` is uniform in [0, 1).
        alike = self._static_partners(episodes, steps, kind / STATIC_RATIO)
        return steps, np.where(static, alike, partners), static

    def _static_partners(
        self, episodes: Indices, steps: Indices, uniform: NDArray[np.float64]
    ) -> Indices:
        """Earlier steps whose frames look like these, the next of them for small numbers in
        [0, 1)."""
        packed = self._episodes
        rows = packed.rows(episodes, steps)
        reach = steps - packed.static_since[rows]
        steps_back = np.floor(uniform * reach)
        back = 1 + steps_back.astype(np.int64)
        # A frame that has nothing static before it stays where it is.
        return steps - np.minimum(back, reach)

    def _instructions(
        self, rng: np.random.Generator, episodes: Indices
    ) -> tuple[Indices, NDArray[np.bool_]]:
        """Rows of sentences, and whether each is one of the episode's task, (B,) each."""
        sampler = self._episodes.instructions
        mismatched = sampler.sample_mismatched(rng, episodes)
        # Rows after the episodes' own sentences are listed paraphrases and negatives.
        is_negative = mismatched >= len(self._episodes)
        ratio = np.where(is_negative, NEGATIVE_RATIO, OTHER_TASK_RATIO)
        is_wrong = (mismatched >= 0) & (rng.random(len(episodes)) < ratio)
        matching = sampler.sample_matching(rng, episodes)
        return np.where(is_wrong, mismatched, matching), ~is_wrong
