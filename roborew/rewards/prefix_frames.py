"""Episodes so far, as models are shown them that read a video: a few of its frames.

Shown are as many frames as are allowed, or all of a shorter episode: the first, the newest, and
others spread evenly between them. They are picked from a wider set that is stored, every s-th
frame, s a power of two that doubles as the episode grows. So what a step costs and what is stored
stay the same, and the model is told the rate of what it sees, not that of the episode.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from roborew.types import Clip, Frame, RecurrentState, Video

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
        frames: in time order, within the limit.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class PrefixWindow:
    """How an episode so far is shown.

    Attributes:
        max_frames: shown at most, at least 2.
        fps: frames per second of the clips.
        pairs: show the only frame of an episode's beginning twice: video models read frames in
            pairs.
    """

    max_frames: int
    fps: float = 1.0
    pairs: bool = True

    def extend(self, clip: Clip, state: RecurrentState) -> tuple[list[Prefix], RecurrentState]:
        """Return the prefixes that end with each frame of the clip, and the state after it."""
        count = int(state["count"][0]) if state else 0
        stored: list[Frame] = list(state["kept"]) if state else []
        capacity = STORED_PER_FRAME * self.max_frames
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

    def extend_all(
        self, clips: Sequence[Clip], states: Sequence[RecurrentState]
    ) -> tuple[list[Prefix], list[RecurrentState]]:
        """Return the prefixes of all clips, one after the other, and the state after each clip."""
        prefixes: list[Prefix] = []
        next_states: list[RecurrentState] = []
        for clip, state in zip(clips, states, strict=True):
            clip_prefixes, next_state = self.extend(clip, state)
            prefixes += clip_prefixes
            next_states.append(next_state)
        return prefixes, next_states

    def _prefix(
        self, stored: Sequence[Frame], stride: int, count: int, newest: Frame, instruction: str
    ) -> Prefix:
        """The prefix of ``count`` frames, of which every ``stride``-th is stored."""
        indices = evenly_spaced_indices(count, self.max_frames)
        # The nearest stored frame to each index.
        frames = [stored[(index + stride // 2) // stride] for index in indices]
        frames.append(newest)
        if count == 1 and self.pairs:
            frames = frames * 2
        fps = self.fps * max(len(indices), 1) / max(count - 1, 1)
        return Prefix(tuple(frames), fps, instruction)
