"""Batches of pairs of windows with their labels: what `progress` and others learn from.

A window is what a causal critic has before it when it scores: the episode's first frame and the
last few. The video it is cut from was played forwards, backwards, rewound or stopped short, so that
neither the time nor the first half of an episode gives its end away; the pair's other window is of
the same episode, of another one of the same sentence, or of another task. Labels follow the frames;
under another task's sentence, or a wrong one, they are zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roborew.learning.examples import Example
from roborew.learning.instructions import InstructionSampler
from roborew.learning.labels import progress_labels, success_labels
from roborew.learning.sampling import (
    Indices,
    reverse,
    sample_near_miss,
    sample_rewound,
    sample_segment,
    sample_stratified,
)

STRIDES = (1, 1, 2, 3, 5)
"""Frames from one of a window to the next: a critic that is asked at every k-th step sees the
same."""
LEAST_GAIN = 0.05
"""Least difference in progress by which one window got further than another."""
REFUSED = 0.25
"""Share of the pairs of an episode with wrong sentences that are shown under one of them."""


@dataclass(frozen=True, slots=True)
class WindowBatch:
    """Windows of one batch.

    Attributes:
        frames: positions in the stack of all episodes' frames, shape (B, K).
        progress: of each frame under the sentence, shape (B, K), NaN where nobody knows.
        success: whether the goal holds, 0 or 1, shape (B, K), NaN where nobody knows.
        sentence: row of `roborew.learning.instructions` that is given, shape (B,).
    """

    frames: Indices
    progress: NDArray[np.float32]
    success: NDArray[np.float32]
    instruction: Indices

    def preference(self, other: WindowBatch) -> NDArray[np.float32]:
        """Whether the other windows end further on, 0 or 1, shape (B,), NaN where nobody knows or
        it is the same.

        Of a failure nobody knows how far it came, but a success came further.
        """
        gap = other.progress[:, -1] - self.progress[:, -1]
        done = other.success[:, -1] - self.success[:, -1]
        gap = np.where(np.isnan(gap), np.where(np.abs(done) == 1, done, np.nan), gap)
        return np.where(np.abs(gap) >= LEAST_GAIN, gap > 0, np.nan).astype(np.float32)


class WindowPairSampler:
    """Draws batches from episodes.

    Args:
        examples: at least one, none shorter than two frames.
        size: frames of a window, at least 3.
        cut_off: share of an unlabelled success after which the task is already done.
        done: progress from which the goal holds.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        size: int,
        truncate_ratio: float = 1.0,
        success_threshold: float = 0.95,
    ) -> None:
        self._size, self._done = size, success_threshold
        self._sentences = [example.instruction for example in examples]
        self._table = InstructionSampler(examples)
        self._kinds = [
            (example.instruction, example.quality or example.success) for example in examples
        ]
        self._lengths = np.array([len(example.features) for example in examples])
        self._starts = np.cumsum([0, *self._lengths[:-1]])
        curves = [cut_off_aware(example, truncate_ratio) for example in examples]
        self._curves = curves
        self._progress = np.concatenate(curves)
        self._success = np.concatenate(
            [success_labels(example, success_threshold) for example in examples]
        )

    def sample(self, rng: np.random.Generator, count: int) -> tuple[WindowBatch, WindowBatch]:
        """Two windows each, under one sentence; which of the two is the better one is left to
        chance."""
        first = sample_stratified(rng, self._kinds, count)
        second = np.array([self._partner(rng, int(episode)) for episode in first], np.int64)
        swapped = rng.random(count) < 0.5
        asked = np.where(rng.random(count) < 0.5, first, second)
        refused = self._refused(rng, asked)
        sentence = np.where(refused >= 0, refused, self._table.sample_matching(rng, asked))
        one, other = (np.where(refused >= 0, asked, each) for each in (first, second))
        return (
            self._shown(rng, np.where(swapped, other, one), asked, sentence, refused >= 0),
            self._shown(rng, np.where(swapped, one, other), asked, sentence, refused >= 0),
        )

    def _refused(self, rng: np.random.Generator, episodes: Indices) -> Indices:
        """A wrong sentence for some of the episodes, which then are both windows of their pair; -1
        for the others."""
        listed = self._table.sample_negative(rng, episodes)
        return (
            np.where(rng.random(len(episodes)) < REFUSED, listed, -1)
            if (listed >= 0).any()
            else listed
        )

    def _partner(self, rng: np.random.Generator, episode: int) -> int:
        """The same episode, another one of its sentence, or one of another sentence, each as likely
        where there is."""
        sentence = self._sentences[episode]
        kind = int(rng.integers(3))
        same = [
            index
            for index, other in enumerate(self._sentences)
            if other == sentence and index != episode
        ]
        if kind == 1 and same:
            return int(rng.choice(same))
        others = [index for index, other in enumerate(self._sentences) if other != sentence]
        return int(rng.choice(others)) if kind == 2 and others else episode

    def _shown(
        self,
        rng: np.random.Generator,
        episodes: Indices,
        asked: Indices,
        sentence: Indices,
        refused: NDArray[np.bool_],
    ) -> WindowBatch:
        """Windows of episodes under rows of sentences, those of the ``asked`` episodes or such that
        they refuse."""
        frames = np.stack(
            [self._window(rng, int(episode)) + self._starts[episode] for episode in episodes]
        )
        pairs = zip(episodes.tolist(), asked.tolist(), strict=True)
        wrong = (
            np.array(
                [self._sentences[one] != self._sentences[other] for one, other in pairs], np.bool_
            )
            | refused
        )
        progress = np.where(wrong[:, None], np.float32(0), self._progress[frames])
        success = np.where(wrong[:, None], np.float32(0), self._success[frames])
        return WindowBatch(frames, progress, success, sentence)

    def _window(self, rng: np.random.Generator, episode: int) -> Indices:
        """The episode's first frame and a few of a video made of it, the last of them anywhere in
        the video."""
        video = self._video(rng, episode)
        back = np.arange(self._size - 2, -1, -1) * rng.choice(STRIDES)
        return np.concatenate([[0], video[np.maximum(rng.integers(len(video)) - back, 0)]])

    def _video(self, rng: np.random.Generator, episode: int) -> Indices:
        length, kind = int(self._lengths[episode]), int(rng.integers(4))
        if kind == 1:
            return reverse(sample_segment(rng, length))
        if kind == 2:
            return sample_rewound(rng, sample_segment(rng, length))
        short = sample_near_miss(rng, self._curves[episode], 0.3, self._done) if kind == 3 else None
        return np.arange(length) if short is None else short


def cut_off_aware(example: Example, cut_off: float) -> NDArray[np.float32]:
    """Labels of progress; where only time is known they reach 1 at a share of the episode and stay
    there."""
    labels = progress_labels(example)
    return labels if example.progress is not None else np.minimum(labels / np.float32(cut_off), 1.0)
