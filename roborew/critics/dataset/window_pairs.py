"""Batches of pairs of windows with their labels: what `robometer` and others learn from.

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
from roborew.learning.labels import progress_labels, success_labels
from roborew.learning.packed_episodes import PackedEpisodes
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
MIN_PROGRESS_GAP = 0.05
"""Least difference in progress by which one window got further than another."""
NEGATIVE_RATIO = 0.25
"""Share of the pairs of an episode with wrong sentences that are given under one of them."""
NEAR_MISS_MIN_PROGRESS = 0.3
"""Least progress of the last frame of a video that stops short."""


@dataclass(frozen=True, slots=True)
class WindowBatch:
    """Windows of one batch.

    Attributes:
        frames: rows of the stack of all episodes' frames, shape (B, K).
        progress: of each frame under the sentence, shape (B, K), NaN where nobody knows.
        success: whether the goal holds, 0 or 1, shape (B, K), NaN where nobody knows.
        instruction: row of `roborew.learning.instructions` that is given, shape (B,).
    """

    frames: Indices
    progress: NDArray[np.float32]
    success: NDArray[np.float32]
    instruction: Indices

    def preference(self, rival: WindowBatch) -> NDArray[np.float32]:
        """Whether the other windows end further on, 0 or 1, shape (B,), NaN where nobody knows or
        it is the same."""
        progress_gap = _last(rival.progress) - _last(self.progress)
        success_gap = _last(rival.success) - _last(self.success)
        # Of a failure nobody knows how far it came, but a success came further.
        is_decisive = np.abs(success_gap) == 1
        by_success = np.where(is_decisive, success_gap, np.nan)
        is_unknown = np.isnan(progress_gap)
        gap = np.where(is_unknown, by_success, progress_gap)
        is_clear = np.abs(gap) >= MIN_PROGRESS_GAP
        preference = np.where(is_clear, gap > 0, np.nan)
        return preference.astype(np.float32)


class WindowPairSampler:
    """Draws batches from episodes.

    Args:
        examples: at least one, none shorter than two frames.
        size: frames of a window, at least 3.
        truncate_ratio: share of an unlabeled success after which the task is already done.
        success_threshold: progress from which the goal holds, where success is not told of each frame.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        size: int,
        truncate_ratio: float = 1.0,
        success_threshold: float = 0.95,
    ) -> None:
        self._size = size
        self._episodes = PackedEpisodes(examples)
        instructions = [example.instruction for example in examples]
        self._tasks = np.array([instructions.index(name) for name in instructions], np.int64)
        self._curves = [truncated_progress_labels(example, truncate_ratio) for example in examples]
        self._progress = np.concatenate(self._curves)
        # Not the labels of success: a shortened curve is done before they say so.
        self._reached = [
            curve >= success_threshold if example.reached is None else example.reached
            for curve, example in zip(self._curves, examples, strict=True)
        ]
        successes = [success_labels(example, success_threshold) for example in examples]
        self._success = np.concatenate(successes)

    def sample(self, rng: np.random.Generator, count: int) -> tuple[WindowBatch, WindowBatch]:
        """Draw pairs of windows, each pair under one sentence; which of the two is the better one
        is left to chance."""
        sampler = self._episodes.instructions
        episodes = sample_stratified(rng, self._episodes.strata, count)
        partners = np.array([self._partner(rng, int(episode)) for episode in episodes], np.int64)
        swapped = rng.random(count) < 0.5
        named = np.where(rng.random(count) < 0.5, episodes, partners)
        negative = self._negative(rng, named)
        is_negative = negative >= 0
        instruction = np.where(is_negative, negative, sampler.sample_matching(rng, named))
        # Both windows are of the episode that does not fulfil the sentence.
        episodes = np.where(is_negative, named, episodes)
        partners = np.where(is_negative, named, partners)
        first = np.where(swapped, partners, episodes)
        second = np.where(swapped, episodes, partners)
        return (
            self._windows(rng, first, named, instruction, is_negative),
            self._windows(rng, second, named, instruction, is_negative),
        )

    def _negative(self, rng: np.random.Generator, episodes: Indices) -> Indices:
        """A wrong sentence for some of the episodes; -1 for the others."""
        negative = self._episodes.instructions.sample_negative(rng, episodes)
        if not (negative >= 0).any():
            return negative
        return np.where(rng.random(len(episodes)) < NEGATIVE_RATIO, negative, -1)

    def _partner(self, rng: np.random.Generator, episode: int) -> int:
        """The same episode, another one of its sentence, or one of another sentence, each as likely
        where there is."""
        kind = int(rng.integers(3))
        same_task = self._episodes.same_task[episode]
        if kind == 1 and len(same_task) > 1:
            peers = [number for number in same_task if number != episode]
            return int(rng.choice(peers))
        if kind == 2 and len(same_task) < len(self._episodes):
            is_other_task = self._tasks != self._tasks[episode]
            strangers = np.flatnonzero(is_other_task)
            return int(rng.choice(strangers))
        return episode

    def _windows(
        self,
        rng: np.random.Generator,
        episodes: Indices,
        named: Indices,
        instruction: Indices,
        is_negative: NDArray[np.bool_],
    ) -> WindowBatch:
        """Windows of episodes under rows of sentences, those of the ``named`` episodes or such that
        they do not fulfil."""
        windows = [self._window(rng, int(episode)) for episode in episodes]
        rows = self._episodes.rows(episodes[:, None], np.stack(windows))
        is_other_task = self._tasks[episodes] != self._tasks[named]
        is_wrong = is_other_task | is_negative
        # Whatever a video shows, under a sentence that is not its own nothing of it is progress.
        mask = is_wrong[:, None]
        zero = np.float32(0)
        progress = np.where(mask, zero, self._progress[rows])
        success = np.where(mask, zero, self._success[rows])
        return WindowBatch(rows, progress, success, instruction)

    def _window(self, rng: np.random.Generator, episode: int) -> Indices:
        """Steps (K,): the episode's first frame and a few of a video made of it, the last of them
        anywhere in the video."""
        video = self._video(rng, episode)
        stride = rng.choice(STRIDES)
        back = np.arange(self._size - 2, -1, -1) * stride
        last = rng.integers(len(video))
        # A window that begins before the video repeats its first frame.
        places = np.maximum(last - back, 0)
        recent = video[places]
        return np.concatenate([[0], recent])

    def _video(self, rng: np.random.Generator, episode: int) -> Indices:
        """Steps of a video: the episode, a piece of it backwards or rewound, or its start alone."""
        length = int(self._episodes.lengths[episode])
        kind = int(rng.integers(4))
        if kind == 1:
            return reverse(sample_segment(rng, length))
        if kind == 2:
            return sample_rewound(rng, sample_segment(rng, length))
        if kind == 3:
            curve, reached = self._curves[episode], self._reached[episode]
            near_miss = sample_near_miss(rng, curve, reached, NEAR_MISS_MIN_PROGRESS)
            if near_miss is not None:
                return near_miss
        return np.arange(length)


def _last(labels: NDArray[np.float32]) -> NDArray[np.float32]:
    return labels[:, -1]


def truncated_progress_labels(example: Example, truncate_ratio: float) -> NDArray[np.float32]:
    """Labels of progress, shape (T,); where only time is known they reach 1 at a share of the
    episode and stay there."""
    labels = progress_labels(example)
    if example.progress is not None:
        return labels
    return np.minimum(labels / np.float32(truncate_ratio), 1.0)
