"""Frames and sentences in one space: a frame is as good as it is near to the sentence (LIV,
arXiv:2306.00958)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from roborew.critics.goal_distance import embedding_network
from roborew.critics.time_contrast import (
    TimeTriplets,
    sample_time_triplets,
    time_contrastive_loss,
)
from roborew.critics.torch_objective import PerFrameObjective
from roborew.errors import InvalidInputError
from roborew.learning.examples import Example, Report
from roborew.learning.packed_episodes import PackedEpisodes
from roborew.types import RewardSpec

TAIL_SHARE = 0.05
"""Last share of a success whose frames show what the sentence says."""


class Liv(PerFrameObjective["Towers"]):
    """The score is the cosine between frame and sentence, or between frame and goal picture where
    one is given.

    ``L = VIP(goal picture) + VIP(sentence) + InfoNCE(near-final frame, sentence)`` with
    ``V(frame; goal) = cos(f(frame), g(goal)) / (1 - gamma)`` (LIV). Only successes are
    learned from; of several sentences, frames near the end are told apart.

    Args:
        seed: random seed of the weights and the sampling order.
        steps: gradient steps.
        batch_size: triplets of frames a step.
        embedding_dim: entries of the common space.
        gamma: discount of a frame's cost.
        num_negatives: how many times frames are paired with other demonstrations' goals; with
            demonstrations of one sentence they pull every frame away from it, ends too.
    """

    spec: ClassVar[RewardSpec] = RewardSpec(
        name="liv",
        low=-1.0,
        high=1.0,
        context=1,
        causal=True,
        needs_goal_image=False,
        predicts_success=False,
        paper="LIV, arXiv:2306.00958",
    )
    RENAMED: ClassVar[Mapping[str, str]] = {
        "batch": "batch_size",
        "width": "embedding_dim",
        "discount": "gamma",
        "negatives": "num_negatives",
    }

    def __init__(
        self,
        *,
        seed: int = 0,
        steps: int = 400,
        batch_size: int = 64,
        embedding_dim: int = 32,
        gamma: float = 0.98,
        num_negatives: int = 0,
    ) -> None:
        super().__init__("liv", seed, steps)
        if not 0 < gamma < 1:
            raise InvalidInputError(f"liv: expected gamma in (0, 1); got {gamma}.")
        if batch_size < 2 or embedding_dim < 2 or num_negatives < 0:
            raise InvalidInputError(
                "liv: expected batch_size and embedding_dim >= 2, num_negatives of at least 0; "
                f"got {batch_size}, {embedding_dim} and {num_negatives}."
            )

        self._batch_size = batch_size
        self._embedding_dim = embedding_dim
        self._gamma = gamma
        self._num_negatives = num_negatives

    def build(self, feature_dim: int, text_dim: int) -> Towers:
        """The two towers for frames (D,) and sentences (E,), untrained."""
        return Towers(feature_dim, text_dim, self._embedding_dim)

    def fit(
        self, examples: Sequence[Example], validation: Sequence[Example], report: Report
    ) -> None:
        """Learn from the successes' frames and sentences."""
        successes = [example for example in examples if example.success is not False]
        if not successes:
            raise InvalidInputError("liv: expected at least one success to learn from; got none.")

        sentences = [example.instruction for example in successes]
        # The position of its first example names a sentence.
        sentence_ids = np.array([sentences.index(sentence) for sentence in sentences])
        episodes = PackedEpisodes(successes)
        self.minimize(successes, lambda rng: self._loss(episodes, sentence_ids, rng), report)

    def predict(self, frames: Tensor, text: Tensor, goal: Tensor) -> tuple[Tensor, Tensor | None]:
        """Cosines with the goal picture where there is one, otherwise with the sentence."""
        pictured = self.network.embed_frames(goal.nan_to_num())
        described = self.network.embed_text(text)
        has_picture = goal.isfinite().all(1)
        target = torch.where(has_picture[:, None], pictured, described)

        cosines = (self.network.embed_frames(frames) * target).sum(1)
        # Rounding may leave a product of two unit vectors just above 1.
        return cosines.clamp(-1.0, 1.0), None

    def _loss(
        self, episodes: PackedEpisodes, sentence_ids: NDArray[np.int64], rng: np.random.Generator
    ) -> Tensor:
        batch = sample_time_triplets(rng, episodes, self._batch_size, to_end=True)
        near_final = self._near_final(episodes, batch, rng)
        rows = np.concatenate([batch.start, batch.now, batch.after, near_final, batch.goal])
        vectors = self.network.embed_frames(episodes.frames[rows])
        start, now, after, near_end, end = vectors.chunk(5)

        matching = episodes.instructions.sample_matching(rng, batch.episode)
        negative = episodes.instructions.sample_negative(rng, batch.episode)
        text = self.network.embed_text(episodes.text[matching])
        has_negative = negative >= 0
        negative_text = None
        if has_negative.any():
            negative_text = self.network.embed_text(episodes.text[negative])

        batch_ids = sentence_ids[batch.episode]
        loss = info_nce(near_end, start, text, batch_ids, negative_text, has_negative)
        reached = torch.as_tensor(batch.now == batch.goal)
        for goal in (end, text):
            values = [self._values(frames, goal) for frames in (start, now, after)]
            loss = loss + time_contrastive_loss(
                values, reached, self._gamma, self._num_negatives, rng
            )
        return loss

    def _values(self, frames: Tensor, goal: Tensor) -> Tensor:
        """V of every frame for every goal, (B, B)."""
        cosines = frames @ goal.T
        # The value of never arriving at a cost of 1 a frame is -1 / (1 - gamma): a cosine of -1.
        return cosines / (1 - self._gamma)

    def _near_final(
        self, episodes: PackedEpisodes, batch: TimeTriplets, rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """A row of the last few frames of each episode, shape (B,)."""
        length = episodes.lengths[batch.episode]
        tail = np.ceil(TAIL_SHARE * length).astype(np.int64)
        # In a short episode the last frame alone.
        steps_back = rng.integers(0, np.maximum(1, tail))
        return batch.goal - steps_back


def info_nce(
    near_end: Tensor,
    start: Tensor,
    text: Tensor,
    sentence_ids: NDArray[np.int64],
    negative_text: Tensor | None = None,
    has_negative: NDArray[np.bool_] | None = None,
) -> Tensor:
    """Cross-entropies, no temperature, of which sentence a frame near the end shows, and of which
    frame shows a sentence: that one, those of other sentences or any frame before them.

    Args:
        near_end: frames near the end, shape (B, W), of length one.
        start: earlier frames, shape (B, W).
        text: the sentences, shape (B, W).
        sentence_ids: numbers that tell them apart, shape (B,).
        negative_text: a further sentence that each frame does not show, shape (B, W).
        has_negative: where there is one, shape (B,).
    """
    count = len(sentence_ids)
    same_sentence = torch.as_tensor(sentence_ids[:, None] == sentence_ids)
    off_diagonal = ~torch.eye(count, dtype=torch.bool)
    logits = near_end @ text.T
    # Rows of one sentence are no negatives of each other: one sentence can be learned from as well.
    logits = logits.masked_fill(same_sentence & off_diagonal, -torch.inf)
    text_logits = torch.cat([logits.T, text @ start.T], dim=1)

    if negative_text is not None:
        negative_logits = (near_end * negative_text).sum(1)
        missing = ~torch.as_tensor(has_negative)
        negative_logits = negative_logits.masked_fill(missing, -torch.inf)
        logits = torch.cat([logits, negative_logits[:, None]], dim=1)

    rows = torch.arange(count)
    frame_to_text = functional.cross_entropy(logits, rows)
    text_to_frame = functional.cross_entropy(text_logits, rows)
    return frame_to_text + text_to_frame


class Towers(nn.Module):
    """Frames and sentences to vectors of length one."""

    def __init__(self, feature_dim: int, text_dim: int, embedding_dim: int) -> None:
        super().__init__()
        self.frame = embedding_network(feature_dim, embedding_dim)
        self.sentence = nn.Linear(text_dim, embedding_dim)

    def embed_frames(self, frames: Tensor) -> Tensor:
        """Frames (B, D) to (B, embedding_dim)."""
        return functional.normalize(self.frame(frames), dim=-1)

    def embed_text(self, text: Tensor) -> Tensor:
        """Sentences (B, E) to (B, embedding_dim)."""
        return functional.normalize(self.sentence(text), dim=-1)
