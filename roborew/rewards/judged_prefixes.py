"""Rewards that show a judge the episode so far, at each frame, as a video of a few of its frames.

The frames shown are the first, every s-th after it and the newest, with s the smallest power of two that keeps them
within the limit. So the cost of a step is bounded, what must be remembered is bounded, and the frame rate that the
judge is told is always that of what it sees.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from roborew.errors import InvalidInputError
from roborew.rewards.judged import Inquiry, Judged, Scale, Values, split, to_scores
from roborew.types import Clip, Frame, Memory, RewardSpec, Scores, Video

BLOCK = 256
"""Prefixes whose videos are held at once."""


def stride(count: int, most: int) -> int:
    """Return the smallest power of two s so that frames 0, s, 2s, ... and the last of ``count`` are at most ``most``.

    >>> [stride(count, 4) for count in (1, 4, 5, 7, 8, 13, 14)]
    [1, 1, 2, 2, 4, 4, 8]
    """
    s = 1
    while -(-(count - 1) // s) + 1 > most:
        s *= 2
    return s


@dataclass(frozen=True, slots=True)
class Prefix:
    """An episode up to one frame, as it is shown.

    Attributes:
        shown: frames in time order, at least 2 and within the limit.
        fps: frames per second of these; the step to the newest one may be shorter.
        instruction: the goal.
    """

    shown: tuple[Frame, ...]
    fps: float
    instruction: str

    @property
    def video(self) -> Video:
        """Shape (S, H, W, 3); made anew each time, so that many prefixes take little memory."""
        return np.stack(self.shown)


class PrefixReward(Judged):
    """The mean of what a judge says to one or several questions about the episode so far.

    A subclass sets `spec`, `scales` (of the value, and of success where it claims) and writes `inquiries`.
    """

    spec: RewardSpec
    scales: tuple[Scale, ...]

    def __init__(self, *arguments: Any, frames: int, fps: float) -> None:
        """Take the arguments of `Judged`, and

        Args:
            *arguments: see `Judged`.
            frames: shown at most, at least 2.
            fps: frames per second of the clips, as the judge is told, above 0.
        """
        if frames < 2 or not 0 < fps < np.inf:
            raise InvalidInputError(f"expected frames of at least 2 and a finite fps above 0; got {frames}, {fps}.")
        super().__init__(*arguments)
        self._frames, self._fps = frames, fps

    def inquiries(self, prefix: Prefix) -> list[Inquiry]:
        """Return the questions about one prefix, always as many."""
        raise NotImplementedError

    def score(self, clips: Sequence[Clip]) -> list[Scores]:
        """Score each frame as if the clip ended with it."""
        nothing: list[Memory] = [{} for _ in clips]
        return self.extend(clips, nothing)[0]

    def extend(self, clips: Sequence[Clip], memories: Sequence[Memory]) -> tuple[list[Scores], list[Memory]]:
        """Score the next frames of episodes; see `roborew.types.IncrementalRewardModel`."""
        walks = [self.walk(clip, memory) for clip, memory in zip(clips, memories, strict=True)]
        values = self.judge_prefixes([prefix for prefixes, _ in walks for prefix in prefixes])
        scores = [self.as_scores(part) for part in split(values, [len(clip.frames) for clip in clips])]
        return scores, [memory for _, memory in walks]

    def judge_prefixes(self, prefixes: Sequence[Prefix]) -> Values:
        """Return the mean of what is said to the questions about each prefix; shape (n, number of scales)."""
        means = [np.empty((0, len(self.scales)))]
        for start in range(0, len(prefixes), BLOCK):
            asked = [self.inquiries(prefix) for prefix in prefixes[start : start + BLOCK]]
            values = self.values([inquiry for each in asked for inquiry in each], *self.scales)
            means.append(values.reshape(len(asked), -1, len(self.scales)).mean(axis=1))
        return np.concatenate(means)

    def as_scores(self, values: Values) -> Scores:
        """Return the scores of one clip from values of shape (T, number of scales)."""
        return to_scores(values[:, 0], values[:, 1] if self.spec.claims else None)

    def walk(self, clip: Clip, memory: Memory) -> tuple[list[Prefix], Memory]:
        """Return the prefixes that end with each frame of the clip, and what to remember after it."""
        count = int(memory["count"][0]) if memory else 0
        kept: list[Frame] = list(memory["kept"]) if memory else []
        step = stride(max(count, 1), self._frames)
        prefixes: list[Prefix] = []
        for frame in clip.frames:
            count += 1
            wider = stride(count, self._frames)
            kept, step = kept[:: wider // step], wider
            newest_is_kept = (count - 1) % step == 0
            kept = [*kept, frame] if newest_is_kept else kept
            shown = kept if newest_is_kept else [*kept, frame]
            shown = shown * 2 if len(shown) == 1 else shown  # video models read frames in pairs
            prefixes.append(Prefix(tuple(shown), self._fps / step, clip.instruction))
        return prefixes, {"count": np.array([count]), "kept": np.stack(kept)}
