"""Pairs of frames with the start and a goal picture beside them: what `grm` learns from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from roborew.critics.dataset.frame_pairs import FramePairBatch, FramePairSampler
from roborew.learning.examples import Example
from roborew.learning.packed_episodes import PackedEpisodes
from roborew.learning.sampling import Indices

Labels = NDArray[np.float32]

GOAL_PAIR_SHARE = 0.25
"""Share of the pairs whose first or second picture is that of the goal."""


@dataclass(frozen=True, slots=True)
class HopBatch:
    """Pairs of frames with the start and a goal beside them.

    Attributes:
        pictures: [start, goal, before, after], shape (B, 4, D).
        text: shape (B, E).
        progress_before: shape (B,), NaN where nobody knows.
        progress_after: shape (B,), NaN where nobody knows.
        success: whether the goal holds after, 0 or 1, shape (B,), NaN where nobody knows.
    """

    pictures: Tensor
    text: Tensor
    progress_before: Labels
    progress_after: Labels
    success: Labels


class HopSampler:
    """Draws pairs of frames with the start and a goal picture beside them.

    The goal is the end of any success of the sentence; where there is none it is all zeros.

    Args:
        examples: at least one.
    """

    def __init__(self, examples: Sequence[Example]) -> None:
        self._episodes = PackedEpisodes(examples)
        self._pairs = FramePairSampler(examples)

        frames = self._episodes.frames
        # One row more, for sentences of which no success is known.
        blank = torch.zeros_like(frames[:1])
        self._frames = torch.cat([frames, blank])
        self._blank_row = len(frames)

        ends = self._episodes.starts + self._episodes.lengths
        last_rows = ends - 1
        goal_rows: dict[str, list[int]] = {example.instruction: [] for example in examples}
        for row, example in zip(last_rows.tolist(), examples, strict=True):
            if example.success is not False:
                goal_rows[example.instruction].append(row)
        self._goal_rows = [goal_rows[example.instruction] for example in examples]

    def sample(self, rng: np.random.Generator, count: int) -> HopBatch:
        """Draw pairs; a share of them begins or ends at the goal itself."""
        pairs = self._pairs.sample(rng, count)
        goal = self._sample_goals(rng, pairs)
        has_goal = goal != self._blank_row
        at_goal = (rng.random((2, count)) < GOAL_PAIR_SHARE / 2) & has_goal
        # The goal of another episode's sentence is never reached.
        own_goal = pairs.instruction_episode == pairs.instruction
        at_goal[1] &= pairs.matches | own_goal

        frame_rows = np.where(at_goal, goal, [pairs.before, pairs.after])
        picture_rows = np.stack([pairs.first, goal, frame_rows[0], frame_rows[1]], axis=1)

        labels = np.stack([pairs.progress_before, pairs.progress_after])
        # Under a wrong sentence nothing has been done, whatever the episode shows.
        labels = np.where(pairs.matches, labels, 0.0)
        progress = np.where(at_goal, 1.0, labels).astype(np.float32)
        success = np.where(at_goal[1], 1.0, pairs.success).astype(np.float32)
        return HopBatch(
            pictures=self._frames[picture_rows],
            text=self._episodes.text[pairs.instruction],
            progress_before=progress[0],
            progress_after=progress[1],
            success=success,
        )

    def _sample_goals(self, rng: np.random.Generator, pairs: FramePairBatch) -> Indices:
        """Rows (B,) of goals of the sentences that are shown, of the blank picture where none is
        known."""
        rows: list[int] = []
        for episode in pairs.instruction_episode:
            choices = self._goal_rows[int(episode)]
            row = int(rng.choice(choices)) if choices else self._blank_row
            rows.append(row)
        return np.array(rows)
