"""Rewards that show a judge the episode so far, at each frame, as a video of a few of its frames.

Shown are as many frames as are allowed, or all of a shorter episode: the first, the newest, and
others spread evenly between them. They are picked from a wider set that is remembered, every s-th
frame, s a power of two that doubles as the episode grows. So what a step costs and what is
remembered stay the same, and the judge is told the rate of what it sees, not that of the episode.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from roborew.errors import InvalidInputError
from roborew.rewards.vlm.base import (
    JudgeClient,
    MarkedQuestion,
    Scale,
    Values,
    split_by_length,
    to_scores,
)
from roborew.types import Clip, Frame, RecurrentState, RewardSpec, Scores, Video

PREFIXES_PER_BATCH = 256
"""Prefixes whose videos are held at once."""
STORED_PER_FRAME = 4
"""Frames remembered for each one that may be shown: those picked lie within a quarter of a step of
even spacing."""


def power_of_two_stride(count: int, most: int) -> int:
    """Return the smallest power of two s so that frames 0, s, 2s, ... and the last of ``count`` are
    at most ``most``.

    >>> [power_of_two_stride(count, 4) for count in (1, 4, 5, 7, 8, 13, 14)]
    [1, 1, 2, 2, 4, 4, 8]
    """
    s = 1
    while -(-(count - 1) // s) + 1 > most:
        s *= 2
    return s


def evenly_spaced_indices(count: int, most: int) -> list[int]:
    """Return at most ``most - 1`` places, evenly spaced from 0 on, before the last of ``count``.

    >>> evenly_spaced_indices(4, 5), evenly_spaced_indices(11, 5)
    ([0, 1, 2], [0, 2, 5, 7])
    """
    steps = min(count, most) - 1
    return [place * (count - 1) // steps for place in range(steps)]


@dataclass(frozen=True, slots=True)
class Prefix:
    """An episode up to one frame, as it is shown.

    Attributes:
        frames: frames in time order, at least 2 and within the limit.
        fps: frames per second of these, on average.
        instruction: the goal.
    """

    frames: tuple[Frame, ...]
    fps: float
    instruction: str

    @property
    def video(self) -> Video:
        """Shape (S, H, W, 3); made anew each time, so that many prefixes take little memory."""
        return np.stack(self.frames)


class PrefixReward(JudgeClient):
    """The mean of what a judge says to one or several questions about the episode so far.

    A subclass sets `spec`, `scales` (of the value, and of success where it claims) and writes
    `questions`.
    """

    RENAMED: ClassVar[Mapping[str, str]] = {**JudgeClient.RENAMED, "frames": "max_frames"}

    spec: RewardSpec
    scales: tuple[Scale, ...]

    def __init__(self, *arguments: Any, max_frames: int, fps: float) -> None:
        """Take the arguments of `JudgeClient`, and

        Args:
            *arguments: see `JudgeClient`.
            max_frames: shown at most, at least 2.
            fps: frames per second of the clips, as the judge is told, above 0.
        """
        if max_frames < 2 or not 0 < fps < np.inf:
            raise InvalidInputError(
                f"expected frames of at least 2 and a finite fps above 0; got {max_frames}, {fps}."
            )
        super().__init__(*arguments)
        self._max_frames, self._fps = max_frames, fps

    def prefix_questions(self, prefix: Prefix) -> list[MarkedQuestion]:
        """Return the questions about one prefix, always as many."""
        raise NotImplementedError

    def score(self, clips: Sequence[Clip]) -> list[Scores]:
        """Score each frame as if the clip ended with it."""
        nothing: list[RecurrentState] = [{} for _ in clips]
        return self.score_step(clips, nothing)[0]

    def score_step(
        self, clips: Sequence[Clip], states: Sequence[RecurrentState]
    ) -> tuple[list[Scores], list[RecurrentState]]:
        """Score the next frames of episodes; see `roborew.types.IncrementalRewardModel`."""
        walks = [
            self.extend_prefixes(clip, memory) for clip, memory in zip(clips, states, strict=True)
        ]
        values = self.score_prefixes([prefix for prefixes, _ in walks for prefix in prefixes])
        scores = [
            self.as_scores(part)
            for part in split_by_length(values, [len(clip.frames) for clip in clips])
        ]
        return scores, [memory for _, memory in walks]

    def score_prefixes(self, prefixes: Sequence[Prefix]) -> Values:
        """Return the mean of what is said to the questions about each prefix; shape (n, number of
        scales)."""
        means = [np.empty((0, len(self.scales)))]
        for start in range(0, len(prefixes), PREFIXES_PER_BATCH):
            asked = [
                self.prefix_questions(prefix)
                for prefix in prefixes[start : start + PREFIXES_PER_BATCH]
            ]
            values = self.ask_values([marked for each in asked for marked in each], *self.scales)
            means.append(values.reshape(len(asked), -1, len(self.scales)).mean(axis=1))
        return np.concatenate(means)

    def as_scores(self, values: Values) -> Scores:
        """Return the scores of one clip from values of shape (T, number of scales)."""
        return to_scores(values[:, 0], values[:, 1] if self.spec.predicts_success else None)

    def extend_prefixes(
        self, clip: Clip, state: RecurrentState
    ) -> tuple[list[Prefix], RecurrentState]:
        """Return the prefixes that end with each frame of the clip, and what to remember after
        it."""
        count = int(state["count"][0]) if state else 0
        kept: list[Frame] = list(state["kept"]) if state else []
        step = power_of_two_stride(max(count, 1), STORED_PER_FRAME * self._max_frames)
        prefixes: list[Prefix] = []
        for frame in clip.frames:
            wider = power_of_two_stride(count + 1, STORED_PER_FRAME * self._max_frames)
            kept, step = kept[:: wider // step], wider
            kept = [*kept, frame] if count % step == 0 else kept
            count += 1
            places = evenly_spaced_indices(count, self._max_frames)
            shown = (*(kept[(place + step // 2) // step] for place in places), frame)
            shown = shown * 2 if count == 1 else shown  # video models read frames in pairs
            fps = self._fps * max(len(places), 1) / max(count - 1, 1)
            prefixes.append(Prefix(shown, fps, clip.instruction))
        return prefixes, {"count": np.array([count]), "kept": np.stack(kept)}
