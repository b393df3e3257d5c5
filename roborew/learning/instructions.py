"""Which sentences a video is shown under while a critic learns: those that it fulfils, and those
that it does not.

The same video under another instruction is a failure without a video having to be made (RoboReward,
arXiv:2601.00675).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from roborew.learning.sampling import Indices


class HasInstruction(Protocol):
    """An episode with its sentence, others that mean the same and some that it does not fulfil,
    embedded, (E,) each."""

    @property
    def text_embedding(self) -> NDArray[np.float32]: ...
    @property
    def paraphrase_embeddings(self) -> Sequence[NDArray[np.float32]]: ...
    @property
    def negative_embeddings(self) -> Sequence[NDArray[np.float32]]: ...


class InstructionSampler:
    """A table of sentences, from which rows are drawn.

    Args:
        episodes: whose sentences they are.

    Attributes:
        text: shape (R, E), float32: each episode's own sentence, in order, then the other ones.
        owner: the episode that brought each row, shape (R,).
        refusable: whether any episode has a sentence that it does not fulfil.
    """

    def __init__(self, episodes: Sequence[HasInstruction]) -> None:
        rows, owner = [one.text_embedding for one in episodes], list(range(len(episodes)))
        self._also, self._listed = [np.zeros((len(episodes), 2), np.int64) for _ in range(2)]
        for bounds, lists in (
            (self._also, [e.paraphrase_embeddings for e in episodes]),
            (self._listed, [e.negative_embeddings for e in episodes]),
        ):
            for episode, vectors in enumerate(lists):
                bounds[episode] = len(rows), len(vectors)
                rows += vectors
                owner += [episode] * len(vectors)
        self.embeddings: NDArray[np.float32] = (
            np.stack(rows) if rows else np.zeros((0, 0), np.float32)
        )
        self.owner = np.array(owner, np.int64)
        self._others, self._foreign = _of_other_sentences(episodes)
        self.has_mismatched = bool(len(self._foreign) or self._listed[:, 1].any())

    def sample_matching(self, rng: np.random.Generator, episodes: Indices) -> Indices:
        """A row that each episode (N,) fulfils: half the time its own sentence, else one that means
        the same, where one is known."""
        if not self._also[:, 1].any():
            return episodes
        known = (self._also[episodes, 1] > 0) & (rng.random(len(episodes)) < 0.5)
        return np.where(known, _drawn(rng, self._also[episodes]), episodes)

    def sample_negative(self, rng: np.random.Generator, episodes: Indices) -> Indices:
        """A row of each episode's own wrong sentences, -1 where it has none."""
        if not self._listed[:, 1].any():
            return np.full(len(episodes), -1)
        return np.where(self._listed[episodes, 1] > 0, _drawn(rng, self._listed[episodes]), -1)

    def sample_mismatched(self, rng: np.random.Generator, episodes: Indices) -> Indices:
        """A row that each episode does not fulfil: one of its wrong sentences or another episode's
        sentence, each as likely where there are both; -1 where no other sentence is known."""
        listed, bounds = self.sample_negative(rng, episodes), self._others[episodes]
        if not len(self._foreign):
            return listed
        foreign = np.where(
            bounds[:, 1] > 0,
            self._foreign[np.minimum(_drawn(rng, bounds), len(self._foreign) - 1)],
            -1,
        )
        either = (listed >= 0) & (foreign >= 0)
        return np.where(
            either,
            np.where(rng.random(len(episodes)) < 0.5, listed, foreign),
            np.maximum(listed, foreign),
        )


def _drawn(rng: np.random.Generator, bounds: Indices) -> Indices:
    """One of the consecutive rows (first, count), (N, 2), each; the first where there is none."""
    return bounds[:, 0] + (rng.random(len(bounds)) * bounds[:, 1]).astype(np.int64)


def _of_other_sentences(episodes: Sequence[HasInstruction]) -> tuple[Indices, Indices]:
    """For each episode, first and count in a list of the episodes that ask for something else."""
    members: dict[bytes, list[int]] = {}
    for number, one in enumerate(episodes):
        members.setdefault(one.text_embedding.tobytes(), []).append(number)
    bounds, flat = np.zeros((len(episodes), 2), np.int64), list[int]()
    for sentence, rows in members.items():
        same = {
            sentence,
            *(vector.tobytes() for row in rows for vector in episodes[row].paraphrase_embeddings),
        }
        others = [row for other, found in members.items() if other not in same for row in found]
        bounds[rows] = len(flat), len(others)
        flat += others
    return bounds, np.array(flat, np.int64)
