"""Which of two short segments of video is better: given by somebody, or by a scripted teacher who
knows progress."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roborew.errors import InvalidInputError
from roborew.learning.episode_layout import EpisodeLayout
from roborew.learning.examples import Example
from roborew.learning.labels import progress_labels
from roborew.learning.packed_episodes import PackedEpisodes
from roborew.learning.sampling import Indices, sample_stratified

MIN_SIMILARITY_GAP = 1e-6
"""Least difference between two distances in progress by which one is called the smaller."""

Segment = tuple[int, int]
"""An episode and the first frame of a segment of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentComparison:
    """An answer to "which of these is better?".

    Attributes:
        first: episode and its first frame.
        second: episode and its first frame.
        label: how much speaks for the second, in [0, 1]; 0.5 is a tie.
        user: who answered, counted from 0.
    """

    first: Segment
    second: Segment
    label: float
    user: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.label <= 1:
            raise InvalidInputError(f"comparison: expected a label in [0, 1]; got {self.label}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedTeacher:
    """Answers by progress, with a person's faults (B-Pref, arXiv:2111.03026).

    Attributes:
        segment_length: frames of a segment; the better segment has the higher mean progress.
        tie_margin: difference in progress below which neither is better.
        label_noise: share of the answers that are turned round.
    """

    segment_length: int = 1
    tie_margin: float = 0.02
    label_noise: float = 0.0

    def __post_init__(self) -> None:
        if self.segment_length < 1 or not self.tie_margin >= 0 or not 0 <= self.label_noise < 0.5:
            raise InvalidInputError(
                f"teacher: expected segment_length >= 1, tie_margin >= 0 and label_noise in "
                f"[0, 0.5); got {self.segment_length}, {self.tie_margin} and {self.label_noise}."
            )

    def sample_comparisons(
        self, rng: np.random.Generator, examples: Sequence[Example], count: int
    ) -> list[SegmentComparison]:
        """Draw up to ``count`` answers about segments of episodes of one sentence; a segment whose
        progress is not known is passed over.

        Raises:
            InvalidInputError: no two segments could be compared.
        """
        episodes = PackedEpisodes(examples)
        progress = self._segment_progress(examples)
        comparisons: list[SegmentComparison] = []
        for number in sample_stratified(rng, episodes.strata, count):
            peers = episodes.same_task[int(number)]
            pair = [int(number), peers[int(rng.integers(len(peers)))]]
            first, second = ((n, int(rng.integers(len(progress[n])))) for n in pair)
            gap = float(progress[second[0]][second[1]] - progress[first[0]][first[1]])
            if not np.isnan(gap):
                label = self._label(rng, gap)
                comparisons.append(SegmentComparison(first=first, second=second, label=label))
        if all(comparison.label == 0.5 for comparison in comparisons):
            raise InvalidInputError(
                "teacher: nothing among the demonstrations is better than anything else; give "
                "labeled or longer ones."
            )
        return comparisons

    def sample_triplets(
        self, rng: np.random.Generator, examples: Sequence[Example], count: int
    ) -> Indices:
        """Draw segments of which the second is more like the first, in progress, than the third is.

        Returns:
            Rows of the stack of all frames, shape (up to ``count``, 3, segment_length); all three
            segments of one sentence.
        """
        episodes = PackedEpisodes(examples)
        progress = self._segment_progress(examples)
        triplets: list[list[Segment]] = []
        for number in sample_stratified(rng, episodes.strata, count):
            anchor = int(number)
            peers = episodes.same_task[anchor]
            partners = [peers[int(rng.integers(len(peers)))] for _ in range(2)]
            segments: list[Segment] = []
            for episode in (anchor, *partners):
                start = int(rng.integers(len(progress[episode])))
                segments.append((episode, start))
            values = [float(progress[episode][start]) for episode, start in segments]
            gap = abs(values[0] - values[1]) - abs(values[0] - values[2])
            # A comparison with NaN is false: where nobody knows progress, nothing is learned.
            if abs(gap) >= max(self.tie_margin, MIN_SIMILARITY_GAP):
                first, second, third = segments
                nearer_second = segments if gap < 0 else [first, third, second]
                triplets.append(nearer_second)
        if count and not triplets:
            raise InvalidInputError(
                "teacher: all segments are as like each other; give labeled or longer episodes."
            )
        chosen = np.array(triplets, np.int64).reshape(-1, 3, 2)
        return episodes.segment_rows(chosen[..., 0], chosen[..., 1], self.segment_length)

    def _segment_progress(self, examples: Sequence[Example]) -> list[NDArray[np.float64]]:
        return [_segment_progress(example, self.segment_length) for example in examples]

    def _label(self, rng: np.random.Generator, gap: float) -> float:
        """How much speaks for the second segment, which is further by ``gap``."""
        label = 0.5 if abs(gap) < self.tie_margin else float(gap > 0)
        return 1 - label if rng.random() < self.label_noise else label


def _segment_progress(example: Example, length: int) -> NDArray[np.float64]:
    """Mean progress of each segment, (T - length + 1,) but at least one; NaN where nobody knows."""
    labels = progress_labels(example).astype(np.float64)
    size = min(length, len(labels))
    return np.convolve(labels, np.full(size, 1 / size), "valid")


@dataclass(frozen=True, slots=True)
class PackedComparisons:
    """Many comparisons, of segments of one length, as arrays.

    Attributes:
        segments: rows of the stack of all frames, shape (N, 2, length).
        episode: the episode whose sentence is meant, shape (N,).
        label: how much speaks for the second, shape (N,), float32.
        user: who answered, shape (N,).
    """

    segments: Indices
    episode: Indices
    label: NDArray[np.float32]
    user: Indices

    @classmethod
    def pack(
        cls, comparisons: Sequence[SegmentComparison], examples: Sequence[Example], length: int
    ) -> PackedComparisons:
        """Look the segments up; the last frame of an episode is repeated where a segment would end
        after it.

        Raises:
            InvalidInputError: no comparison, or one of an episode or a frame that there is not.
        """
        pairs = np.array([[c.first, c.second] for c in comparisons], np.int64).reshape(-1, 2, 2)
        episode, first = pairs[..., 0], pairs[..., 1]
        layout = EpisodeLayout([len(example.features) for example in examples])
        has_episode = (episode >= 0) & (episode < len(layout))
        # Where there is no such episode any length will do: it is refused all the same.
        lengths = layout.lengths[np.where(has_episode, episode, 0)]
        has_frame = (first >= 0) & (first < lengths)
        if not len(pairs) or not (has_episode & has_frame).all():
            raise InvalidInputError(
                f"comparisons: expected at least one, of frames of {len(examples)} episodes; got "
                f"{len(pairs)}."
            )
        return cls(
            segments=layout.segment_rows(episode, first, length),
            episode=episode[:, 0],
            label=np.array([comparison.label for comparison in comparisons], np.float32),
            user=np.array([comparison.user for comparison in comparisons], np.int64),
        )
