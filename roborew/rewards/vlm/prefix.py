"""Rewards that show a judge the episode so far, at each frame, as a video of a few of its frames; see
`roborew.rewards.prefix_frames`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from roborew.errors import InvalidInputError
from roborew.judges.config import JudgeConfig
from roborew.judges.types import Judge
from roborew.learning.episode_layout import split_by_length
from roborew.rewards.prefix_frames import Prefix, PrefixWindow
from roborew.rewards.vlm.base import (
    Cost,
    JudgeReward,
    MarkedQuestion,
    to_scores,
)
from roborew.rewards.vlm.scales import Scale, Values
from roborew.types import Clip, RecurrentState, Scores

PREFIXES_PER_BATCH = 256
"""Prefixes whose videos are in memory at once."""


class PrefixReward(JudgeReward):
    """The mean of a judge's answers to one or several questions about the episode so far.

    A subclass sets `spec`, `scales` (of the value, and of success where it predicts it) and writes
    `prefix_questions`.
    """

    RENAMED: ClassVar[Mapping[str, str]] = {**JudgeReward.RENAMED, "frames": "max_frames"}

    scales: tuple[Scale, ...]
    questions_per_prefix: int = 1

    def __init__(
        self, name: str, judge: JudgeConfig | Judge, device: str, *, max_frames: int, fps: float
    ) -> None:
        """Load the judge.

        Args:
            name: of the method, for the log.
            judge: its configuration, or a judge.
            device: torch device of a judge in this process.
            max_frames: frames shown at most, at least 2.
            fps: frames per second of the clips, as the judge is told, above 0.
        """
        if max_frames < 2 or not 0 < fps < np.inf:
            raise InvalidInputError(
                f"expected max_frames of at least 2 and a finite fps above 0; got {max_frames}, "
                f"{fps}."
            )
        super().__init__(name, judge, device)
        self._window = PrefixWindow(max_frames=max_frames, fps=fps)

    def prefix_questions(self, prefix: Prefix) -> list[MarkedQuestion]:
        """Return the questions about one prefix, always as many."""
        raise NotImplementedError

    def estimate_cost(self, num_frames: int) -> Cost:
        """Return the cost of the questions about each prefix."""
        lengths = range(1, num_frames + 1)
        pictures = sum(self._prefix_length(length) for length in lengths)
        # Several criteria are several questions, and each shows the video again.
        questions = num_frames * self.questions_per_prefix
        return Cost(questions=questions, pictures=pictures * self.questions_per_prefix)

    def _prefix_length(self, num_frames: int) -> int:
        return max(2, min(num_frames, self._window.max_frames))

    def score(self, clips: Sequence[Clip]) -> list[Scores]:
        """Score each frame as if the clip ended with it."""
        beginnings: list[RecurrentState] = [{} for _ in clips]
        return self.score_step(clips, beginnings)[0]

    def score_step(
        self, clips: Sequence[Clip], states: Sequence[RecurrentState]
    ) -> tuple[list[Scores], list[RecurrentState]]:
        """Score the next frames of episodes; see `roborew.types.IncrementalRewardModel`."""
        prefixes, next_states = self._window.extend_all(clips, states)
        values = self.score_prefixes(prefixes)
        by_clip = split_by_length(values, [len(clip.frames) for clip in clips])
        return [self.as_scores(clip_values) for clip_values in by_clip], next_states

    def score_prefixes(self, prefixes: Sequence[Prefix]) -> Values:
        """Return the mean of the answers to the questions about each prefix; shape (n, number of
        scales)."""
        means = [np.empty((0, len(self.scales)))]
        for start in range(0, len(prefixes), PREFIXES_PER_BATCH):
            batch = prefixes[start : start + PREFIXES_PER_BATCH]
            questions: list[MarkedQuestion] = []
            for prefix in batch:
                questions += self.prefix_questions(prefix)
            answers = self.ask_values(questions, *self.scales)
            by_prefix = answers.reshape(len(batch), -1, len(self.scales))
            means.append(by_prefix.mean(axis=1))
        return np.concatenate(means)

    def as_scores(self, values: Values) -> Scores:
        """Return the scores of one clip from values of shape (T, number of scales)."""
        success = values[:, 1] if self.spec.predicts_success else None
        return to_scores(values[:, 0], success)

    def extend_prefixes(
        self, clip: Clip, state: RecurrentState
    ) -> tuple[list[Prefix], RecurrentState]:
        """Return the prefixes that end with each frame of the clip, and the state after it."""
        return self._window.extend(clip, state)
