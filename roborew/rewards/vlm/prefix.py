"""Rewards that show a judge the episode so far, at each frame, as a video of a few of its frames.

Shown are as many frames as are allowed, or all of a shorter episode: the first, the newest, and
others spread evenly between them. They are picked from a wider set that is stored, every s-th
frame, s a power of two that doubles as the episode grows. So what a step costs and what is stored
stay the same, and the judge is told the rate of what it sees, not that of the episode.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from roborew.errors import InvalidInputError
from roborew.judges.config import JudgeConfig
from roborew.judges.types import Judge
from roborew.learning.episode_layout import split_by_length
from roborew.rewards.vlm.base import (
    Cost,
    JudgeReward,
    MarkedQuestion,
    to_scores,
)
from roborew.rewards.vlm.scales import Scale, Values
from roborew.types import Clip, Frame, RecurrentState, Scores, Video

PREFIXES_PER_BATCH = 256
"""Prefixes whose videos are in memory at once."""
STORED_PER_FRAME = 4
"""Frames stored for each one that may be shown: those picked lie within a quarter of a step of even
spacing."""


def power_of_two_stride(count: int, limit: int) -> int:
    """Return the smallest power of two s so that frames 0, s, 2s, ... and the last of ``count`` are
    at most ``limit``.

    >>> [power_of_two_stride(count, 4) for count in (1, 4, 5, 7, 8, 13, 14)]
    [1, 1, 2, 2, 4, 4, 8]
    """
    stride = 1
    while -(-(count - 1) // stride) + 1 > limit:
        stride *= 2
    return stride


def evenly_spaced_indices(count: int, limit: int) -> list[int]:
    """Return at most ``limit - 1`` indices, evenly spaced from 0 on, before the last of ``count``.

    >>> evenly_spaced_indices(4, 5), evenly_spaced_indices(11, 5)
    ([0, 1, 2], [0, 2, 5, 7])
    """
    steps = min(count, limit) - 1
    return [step * (count - 1) // steps for step in range(steps)]


@dataclass(frozen=True, slots=True)
class Prefix:
    """An episode up to one frame, as it is shown.

    Attributes:
        frames: in time order, at least 2 and within the limit.
        fps: frames per second of these, on average.
        instruction: the goal as a sentence.
    """

    frames: tuple[Frame, ...]
    fps: float
    instruction: str

    @property
    def video(self) -> Video:
        """Shape (S, H, W, 3); made anew each time, so that many prefixes take little memory."""
        return np.stack(self.frames)


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
        self._max_frames = max_frames
        self._fps = fps

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
        return max(2, min(num_frames, self._max_frames))

    def score(self, clips: Sequence[Clip]) -> list[Scores]:
        """Score each frame as if the clip ended with it."""
        beginnings: list[RecurrentState] = [{} for _ in clips]
        return self.score_step(clips, beginnings)[0]

    def score_step(
        self, clips: Sequence[Clip], states: Sequence[RecurrentState]
    ) -> tuple[list[Scores], list[RecurrentState]]:
        """Score the next frames of episodes; see `roborew.types.IncrementalRewardModel`."""
        prefixes: list[Prefix] = []
        next_states: list[RecurrentState] = []
        for clip, state in zip(clips, states, strict=True):
            clip_prefixes, next_state = self.extend_prefixes(clip, state)
            prefixes += clip_prefixes
            next_states.append(next_state)
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
        count = int(state["count"][0]) if state else 0
        stored: list[Frame] = list(state["kept"]) if state else []
        capacity = STORED_PER_FRAME * self._max_frames
        stride = power_of_two_stride(max(count, 1), capacity)
        prefixes: list[Prefix] = []
        for frame in clip.frames:
            wider_stride = power_of_two_stride(count + 1, capacity)
            # Strides are powers of two, so what a wider one needs is among what is stored.
            stored = stored[:: wider_stride // stride]
            stride = wider_stride
            if count % stride == 0:
                stored = [*stored, frame]
            count += 1
            prefixes.append(self._prefix(stored, stride, count, frame, clip.instruction))
        return prefixes, {"count": np.array([count]), "kept": np.stack(stored)}

    def _prefix(
        self, stored: Sequence[Frame], stride: int, count: int, newest: Frame, instruction: str
    ) -> Prefix:
        """The prefix of ``count`` frames, of which every ``stride``-th is stored."""
        indices = evenly_spaced_indices(count, self._max_frames)
        # The nearest stored frame to each index.
        frames = [stored[(index + stride // 2) // stride] for index in indices]
        frames.append(newest)
        if count == 1:
            frames = frames * 2  # video models read frames in pairs
        fps = self._fps * max(len(indices), 1) / max(count - 1, 1)
        return Prefix(tuple(frames), fps, instruction)
