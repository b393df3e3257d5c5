"""Episodes as critics learn from them: embedded frames, sentences and labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roborew.types import Video


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeFrames:
    """One episode as an encoder may learn from it.

    Attributes:
        frames: shape (T, H, W, 3), uint8 RGB.
        text: the instruction embedded, shape (E,).
        progress: labels in [0, 1], shape (T,), NaN where nobody knows; None where there are none.
        success: whether the goal holds, shape (T,); None where nobody knows.
        also: other sentences that mean the same, embedded, shape (E,) each.
        wrong: sentences that the episode does not fulfil, embedded, shape (E,) each.
    """

    frames: Video
    text_embedding: NDArray[np.float32]
    progress: NDArray[np.float32] | None = None
    success: NDArray[np.bool_] | None = None
    paraphrase_embeddings: tuple[NDArray[np.float32], ...] = ()
    negative_embeddings: tuple[NDArray[np.float32], ...] = ()


Features = NDArray[np.float32]
"""Embedded frames of one episode in time order, shape (T, D), float32."""


Report = Callable[[str, float], None]
"""``report(what, value)``: a figure of the fit as it goes, such as a loss; shown and logged, never
read back. One named "..., of N" counts up to N."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One demonstration, embedded.

    Attributes:
        name: of the episode, unique in its set.
        instruction: what was asked for.
        text_embedding: the instruction embedded, shape (E,), float32, of length one or zero.
        features: shape (T, D), float32, T >= 2; may be memory-mapped and is never written to.
        progress: labels in [0, 1], shape (T,), float32, NaN where nobody knows; None where there
            are none at all.
        success: whether the episode ends in success; None where nobody knows.
        reached: where the goal counts as reached, shape (T,), if success is told of each frame; None
            elsewhere.
        quality: grade of the episode ("failure", "partial", "suboptimal", "success"); None where
            nobody graded it.
        stages: (stage, first frame, one past the last) in order; empty where nobody marked stages.
        goal_embedding: embedded picture of the goal, shape (D,); None where there is none.
        paraphrase_embeddings: other sentences that mean the same, embedded, shape (E,) each.
        negative_embeddings: sentences that the episode does not fulfil, embedded, shape (E,) each.
        static_since: of each frame the earliest of the last few that it looks like, shape (T,); None where
            nobody looked.
    """

    name: str
    instruction: str
    text_embedding: NDArray[np.float32]
    features: Features
    progress: NDArray[np.float32] | None = None
    success: bool | None = None
    reached: NDArray[np.bool_] | None = None
    quality: str | None = None
    stages: tuple[tuple[str, int, int], ...] = ()
    goal_embedding: NDArray[np.float32] | None = None
    paraphrase_embeddings: tuple[NDArray[np.float32], ...] = ()
    negative_embeddings: tuple[NDArray[np.float32], ...] = ()
    static_since: NDArray[np.int64] | None = None


def by_instruction(examples: Sequence[Example]) -> dict[str, list[Example]]:
    """The examples of each instruction, in the order in which it first appears."""
    groups: dict[str, list[Example]] = {}
    for example in examples:
        groups.setdefault(example.instruction, []).append(example)
    return groups
