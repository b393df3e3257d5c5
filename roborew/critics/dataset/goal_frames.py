"""Frames that show the goal and frames that do not: what `vice` learns from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from roborew.learning.examples import Example
from roborew.learning.instructions import InstructionSampler
from roborew.learning.labels import success_labels
from roborew.learning.sampling import Indices

UNKNOWN, GOAL, FAILED, VISITED = -1, 0, 1, 2
"""What a frame shows, by its label or where it comes from."""


NO_ROWS: Indices = np.zeros(0, np.int64)


class GoalSampler:
    """Frames, which of them show the goal, and the sentences they are shown under.

    Args:
        examples: demonstrations.
        visited: an agent's episodes, all of whose frames are negatives.
        success_threshold: labeled progress from which the goal holds, where success is not told of each
            frame.

    Attributes:
        frames: of all episodes, then the goal pictures, shape (N, D).
        episode: that each frame belongs to, shape (N,).
        text: rows of `roborew.learning.instructions`, shape (R, E).
        goals: rows of ``frames`` that show the goal.
        negatives: groups of rows that do not, of failures, of what was visited, and of goals that
            are shown under a wrong sentence.
    """

    def __init__(
        self, examples: Sequence[Example], visited: Sequence[Example], success_threshold: float
    ) -> None:
        episodes = [*examples, *visited]
        self._instructions = InstructionSampler(episodes)
        self.text = torch.as_tensor(self._instructions.embeddings)

        features = [example.features for example in episodes]
        kinds = [_kinds(success_labels(example, success_threshold)) for example in examples]
        # What an agent visited is a negative whatever it shows (VICE): successes are rare at first.
        kinds += [np.full(len(example.features), VISITED) for example in visited]
        owners = list(range(len(episodes)))
        for index, example in enumerate(examples):
            if example.goal_embedding is not None:
                features.append(example.goal_embedding[None])
                kinds.append(np.array([GOAL]))
                owners.append(index)

        # Empty rows first: the validation set may hold no episode, and nothing cannot be joined.
        kind = np.concatenate([NO_ROWS, *kinds])
        frames = np.concatenate(features) if features else np.zeros((0, 0), np.float32)
        self.frames = torch.as_tensor(frames)
        lengths = [len(rows) for rows in features]
        self.episode: Indices = np.repeat(np.array(owners, np.int64), lengths)
        self.goals = np.flatnonzero(kind == GOAL)

        failed = np.flatnonzero(kind == FAILED)
        unlabeled = np.flatnonzero(kind == VISITED)
        mismatched = self._goals_with_a_wrong_sentence()
        self._has_mismatched = len(mismatched) > 0
        self.negatives = [rows for rows in (failed, unlabeled, mismatched) if len(rows)]

    def sample(self, rng: np.random.Generator, count: int) -> tuple[Indices, Indices, Tensor]:
        """Draw frames, the first half goals and each group of negatives as often as any other.

        Returns:
            Rows (B,) of ``frames``, rows (B,) of ``text``, labels (B, 1).
        """
        num_goals = count // 2
        rows = [rng.choice(self.goals, num_goals)]
        group = rng.integers(len(self.negatives), size=count - num_goals)
        for index, negatives in enumerate(self.negatives):
            size = int((group == index).sum())
            rows.append(rng.choice(negatives, size))
        frame_rows = np.concatenate(rows)

        # Goals under a wrong sentence are the last group; all before keep one that they fulfil.
        num_mismatched = len(rows[-1]) if self._has_mismatched else 0
        num_matching = count - num_mismatched
        episode = self.episode[frame_rows]
        matching = self._instructions.sample_matching(rng, episode[:num_matching])
        mismatched = self._instructions.sample_mismatched(rng, episode[num_matching:])
        text_rows = np.concatenate([matching, mismatched])

        labels = torch.zeros(count, 1)
        labels[:num_goals] = 1
        return frame_rows, text_rows, labels

    def _goals_with_a_wrong_sentence(self) -> Indices:
        """Rows of goals whose episode has a sentence that it does not fulfil."""
        # Whether there is one does not depend on which is drawn, so any seed will do.
        rng = np.random.default_rng(0)
        mismatched = self._instructions.sample_mismatched(rng, self.episode[self.goals])
        return self.goals[mismatched >= 0]


def _kinds(labels: NDArray[np.float32]) -> NDArray[np.int64]:
    """`GOAL`, `FAILED` or `UNKNOWN` of each labeled frame, shape (T,)."""
    kinds = np.where(labels == 1, GOAL, FAILED)
    return np.where(np.isnan(labels), UNKNOWN, kinds)
