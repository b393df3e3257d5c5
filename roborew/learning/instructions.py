"""Which sentences a video is given under while a critic learns: those that it fulfils, and those
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

Embedding = NDArray[np.float32]
"""A sentence, shape (E,)."""


class HasInstruction(Protocol):
    """An episode with its sentence, others that mean the same and some that it does not fulfil,
    embedded, (E,) each."""

    @property
    def text_embedding(self) -> Embedding: ...
    @property
    def paraphrase_embeddings(self) -> Sequence[Embedding]: ...
    @property
    def negative_embeddings(self) -> Sequence[Embedding]: ...


class InstructionSampler:
    """A table of sentences, from which rows are drawn.

    Args:
        episodes: whose sentences they are.

    Attributes:
        embeddings: shape (R, E), float32: each episode's own sentence, in order, then the other
            ones.
        owner: the episode that brought each row, shape (R,).
        has_mismatched: whether any episode has a sentence that it does not fulfil.
    """

    def __init__(self, episodes: Sequence[HasInstruction]) -> None:
        self._rows = [episode.text_embedding for episode in episodes]
        self._owners = list(range(len(episodes)))
        # The order of the rows decides what a seed draws: paraphrases first, then negatives.
        paraphrases = [episode.paraphrase_embeddings for episode in episodes]
        self._paraphrases = self._append(paraphrases)
        negatives = [episode.negative_embeddings for episode in episodes]
        self._negatives = self._append(negatives)
        no_rows = np.zeros((0, 0), np.float32)
        self.embeddings: Embedding = np.stack(self._rows) if self._rows else no_rows
        self.owner = np.array(self._owners, np.int64)
        self._other_tasks, self._other_episodes = _episodes_of_other_tasks(episodes)
        has_other_task = len(self._other_episodes) > 0
        has_negative = bool(self._negatives[:, 1].any())
        self.has_mismatched = has_other_task or has_negative

    def _append(self, lists: Sequence[Sequence[Embedding]]) -> Indices:
        """Append each episode's embeddings to the rows; returns first row and count, (episodes, 2)."""
        spans = np.zeros((len(lists), 2), np.int64)
        for episode, embeddings in enumerate(lists):
            spans[episode] = len(self._rows), len(embeddings)
            self._rows += embeddings
            self._owners += [episode] * len(embeddings)
        return spans

    def sample_matching(self, rng: np.random.Generator, episodes: Indices) -> Indices:
        """Draw a row that each episode (N,) fulfils: half the time its own sentence, else one that
        means the same, where one is known."""
        if not self._paraphrases[:, 1].any():
            return episodes
        spans = self._paraphrases[episodes]
        has_paraphrase = spans[:, 1] > 0
        is_heads = rng.random(len(episodes)) < 0.5
        paraphrases = _sample_rows(rng, spans)
        return np.where(has_paraphrase & is_heads, paraphrases, episodes)

    def sample_negative(self, rng: np.random.Generator, episodes: Indices) -> Indices:
        """Draw a row of each episode's own wrong sentences, -1 where it has none."""
        if not self._negatives[:, 1].any():
            return np.full(len(episodes), -1)
        spans = self._negatives[episodes]
        has_negative = spans[:, 1] > 0
        negatives = _sample_rows(rng, spans)
        return np.where(has_negative, negatives, -1)

    def sample_mismatched(self, rng: np.random.Generator, episodes: Indices) -> Indices:
        """Draw a row that each episode does not fulfil: one of its wrong sentences or another
        episode's sentence, each as likely where there are both; -1 where no other sentence is
        known."""
        negative = self.sample_negative(rng, episodes)
        if not len(self._other_episodes):
            return negative
        spans = self._other_tasks[episodes]
        # An episode without another task may point behind the list; what it draws is not used.
        last_place = len(self._other_episodes) - 1
        places = np.minimum(_sample_rows(rng, spans), last_place)
        other_task = np.where(spans[:, 1] > 0, self._other_episodes[places], -1)
        has_both = (negative >= 0) & (other_task >= 0)
        is_negative = rng.random(len(episodes)) < 0.5
        either = np.where(is_negative, negative, other_task)
        # Without both, at least one is -1: the larger is the one that is known, if any.
        return np.where(has_both, either, np.maximum(negative, other_task))


def _sample_rows(rng: np.random.Generator, spans: Indices) -> Indices:
    """Draw one of the consecutive rows (first, count), (N, 2), each; the first where there is
    none."""
    first, count = spans.T
    return first + (rng.random(len(spans)) * count).astype(np.int64)


def _episodes_of_other_tasks(episodes: Sequence[HasInstruction]) -> tuple[Indices, Indices]:
    """For each episode, first and count in a list of the episodes that ask for something else."""
    tasks: dict[bytes, list[int]] = {}
    for number, episode in enumerate(episodes):
        # By its bytes: an array cannot be a key.
        tasks.setdefault(episode.text_embedding.tobytes(), []).append(number)
    spans = np.zeros((len(episodes), 2), np.int64)
    listed = list[int]()
    for task, members in tasks.items():
        # Another episode's sentence may be a paraphrase of this task: it is not another task.
        same = {task}
        for member in members:
            same.update(vector.tobytes() for vector in episodes[member].paraphrase_embeddings)
        negatives = [
            number for name, group in tasks.items() if name not in same for number in group
        ]
        spans[members] = len(listed), len(negatives)
        listed += negatives
    return spans, np.array(listed, np.int64)
