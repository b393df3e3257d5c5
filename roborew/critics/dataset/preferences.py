"""Which of two short pieces of video is better: given by somebody, or by a scripted teacher who
knows progress."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roborew.errors import InvalidInputError
from roborew.learning.examples import Example
from roborew.learning.labels import progress_labels
from roborew.learning.sampling import Indices, sample_stratified


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentComparison:
    """An answer to "which of these is better?".

    Attributes:
        first: episode and its first frame.
        second: episode and its first frame.
        label: how much speaks for the second, in [0, 1]; 0.5 is a tie.
        user: who answered, counted from 0.
    """

    first: tuple[int, int]
    second: tuple[int, int]
    label: float
    user: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.label <= 1:
            raise InvalidInputError(f"comparison: expected a label in [0, 1]; got {self.label}.")

    def swapped(self) -> SegmentComparison:
        """The same answer with the pieces exchanged."""
        return SegmentComparison(
            first=self.second, second=self.first, label=1 - self.label, user=self.user
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedTeacher:
    """Answers by progress, with a person's faults.

    Attributes:
        length: frames of a piece; the better piece has the higher mean progress.
        tie: difference in progress below which neither is better.
        noise: share of the answers that are turned round.
    """

    segment_length: int = 1
    tie_margin: float = 0.02
    label_noise: float = 0.0

    def __post_init__(self) -> None:
        if self.segment_length < 1 or not self.tie_margin >= 0 or not 0 <= self.label_noise < 0.5:
            raise InvalidInputError(
                f"teacher: expected length >= 1, tie >= 0 and noise in [0, 0.5); "
                f"got {self.segment_length}, {self.tie_margin} and {self.label_noise}."
            )

    def sample_comparisons(
        self, rng: np.random.Generator, examples: Sequence[Example], count: int
    ) -> list[SegmentComparison]:
        """Up to ``count`` answers about pieces of episodes of one sentence; a piece whose progress
        is not known is passed over.

        Raises:
            InvalidInputError: no two pieces could be compared.
        """
        worth = [_worth(example, self.segment_length) for example in examples]
        kinds = [(example.instruction, example.quality or example.success) for example in examples]
        found: list[SegmentComparison] = []
        for drawn in sample_stratified(rng, kinds, count):
            episode = int(drawn)
            others = [
                row
                for row, e in enumerate(examples)
                if e.instruction == examples[episode].instruction
            ]
            other = others[int(rng.integers(len(others)))]
            first, second = (
                int(rng.integers(len(worth[episode]))),
                int(rng.integers(len(worth[other]))),
            )
            gap = float(worth[other][second] - worth[episode][first])
            if np.isnan(gap):
                continue
            label = 0.5 if abs(gap) < self.tie_margin else float(gap > 0)
            label = 1 - label if rng.random() < self.label_noise else label
            found.append(
                SegmentComparison(first=(episode, first), second=(other, second), label=label)
            )
        if not any(answer.label != 0.5 for answer in found):
            raise InvalidInputError(
                "teacher: nothing among the demonstrations is better than anything else; give "
                "labelled or longer ones."
            )
        return found

    def sample_triplets(
        self, rng: np.random.Generator, examples: Sequence[Example], count: int
    ) -> Indices:
        """Pieces of which the second is more like the first, in progress, than the third is:
        positions in the stack of all frames, (up to ``count``, 3, length); all three of one
        sentence.
        """
        worth = [_worth(example, self.segment_length) for example in examples]
        kinds = [(example.instruction, example.quality or example.success) for example in examples]
        found: list[list[tuple[int, int]]] = []
        for drawn in sample_stratified(rng, kinds, count):
            peers = [
                row
                for row, e in enumerate(examples)
                if e.instruction == examples[int(drawn)].instruction
            ]
            chosen = [int(drawn), *(peers[int(rng.integers(len(peers)))] for _ in range(2))]
            pieces = [(episode, int(rng.integers(len(worth[episode])))) for episode in chosen]
            first, second, third = (float(worth[episode][at]) for episode, at in pieces)
            gap = abs(first - second) - abs(first - third)
            if abs(gap) >= max(self.tie_margin, 1e-6):  # false where one is NaN
                found.append(pieces if gap < 0 else [pieces[0], pieces[2], pieces[1]])
        if count and not found:
            raise InvalidInputError(
                "teacher: all pieces are as like each other; give labelled or longer episodes."
            )
        return _frames(np.array(found, np.int64).reshape(-1, 3, 2), examples, self.segment_length)


def _worth(example: Example, length: int) -> NDArray[np.float64]:
    """Mean progress of each piece, (T - length + 1,) but at least one; NaN where nobody knows."""
    labels, length = progress_labels(example).astype(np.float64), min(length, len(example.features))
    return np.convolve(labels, np.full(length, 1 / length), "valid")


@dataclass(frozen=True, slots=True)
class PackedComparisons:
    """Many comparisons, of pieces of one length, as arrays.

    Attributes:
        pieces: positions in the stack of all frames, shape (N, 2, length).
        text: the episode whose sentence is meant, shape (N,).
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
        """Look the pieces up; the last frame of an episode is repeated where a piece would end
        after it.

        Raises:
            InvalidInputError: no comparison, or one of an episode or a frame that there is not.
        """
        asked = np.array([[one.first, one.second] for one in comparisons], np.int64).reshape(
            -1, 2, 2
        )
        lengths = np.array([len(example.features) for example in examples])
        episode, first = asked[..., 0], asked[..., 1]
        inside = (episode >= 0) & (episode < len(examples)) & (first >= 0)
        if not len(asked) or not (inside & (first < lengths[np.where(inside, episode, 0)])).all():
            raise InvalidInputError(
                f"comparisons: expected at least one, of frames of {len(examples)} episodes; got "
                f"{len(asked)}."
            )
        return cls(
            segments=_frames(asked, examples, length),
            episode=episode[:, 0],
            label=np.array([one.label for one in comparisons], np.float32),
            user=np.array([one.user for one in comparisons], np.int64),
        )


def _frames(pieces: Indices, examples: Sequence[Example], length: int) -> Indices:
    """Where the frames of pieces (..., 2), episode and first frame, are in the stack of all, (...,
    length)."""
    lengths = np.array([len(example.features) for example in examples])
    starts = np.cumsum([0, *lengths[:-1]])
    episode, first = pieces[..., 0, None], pieces[..., 1, None]
    return starts[episode] + np.minimum(first + np.arange(length), lengths[episode] - 1)
