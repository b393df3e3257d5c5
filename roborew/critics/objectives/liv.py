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

from roborew.critics.goal_distance import embedding
from roborew.critics.time_contrast import contrast_in_time, moments
from roborew.critics.torch_objective import PerFrameObjective
from roborew.errors import InvalidInputError
from roborew.learning.examples import Example, Report
from roborew.learning.packed_episodes import PackedEpisodes
from roborew.types import RewardSpec

TAIL = 0.05
"""Last share of a success whose frames show what the sentence says."""


class Liv(PerFrameObjective["Towers"]):
    """The score is the cosine between frame and sentence, or between frame and goal picture where
    one is given. Only successes are learned from; of several sentences, frames near the end are
    told apart.

    Args:
        seed: of weights and order.
        steps: gradient steps.
        batch: moments a step.
        width: entries of the common space.
        discount: of a frame's cost.
        negatives: shuffles of the batch whose frames are moments of other demonstrations; with
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
        if not 0 < gamma < 1 or batch_size < 2 or num_negatives < 0 or embedding_dim < 2:
            raise InvalidInputError(
                "liv: expected a discount in (0, 1), batch and width >= 2, negatives of at least "
                "0; "
                f"got {gamma}, {batch_size}, {embedding_dim} and {num_negatives}."
            )
        self._batch, self._width, self._discount, self._negatives = (
            batch_size,
            embedding_dim,
            gamma,
            num_negatives,
        )

    def build(self, feature_dim: int, text_dim: int) -> Towers:
        """The two towers for frames (D,) and sentences (E,), untrained."""
        return Towers(feature_dim, text_dim, self._width)

    def fit(
        self, examples: Sequence[Example], validation: Sequence[Example], report: Report
    ) -> None:
        """Learn from the successes' frames and sentences."""
        good = [example for example in examples if example.success is not False]
        if not good:
            raise InvalidInputError("liv: expected at least one success to learn from; got none.")
        stack, names = PackedEpisodes(good), [example.instruction for example in good]
        numbers = np.array([names.index(name) for name in names])
        self.minimize(good, lambda rng: self._loss(stack, numbers, rng), report)

    def predict(self, frames: Tensor, text: Tensor, goal: Tensor) -> tuple[Tensor, Tensor | None]:
        """Cosines with the goal picture where there is one, otherwise with the sentence."""
        given = goal.isfinite().all(1)
        wanted = torch.where(
            given[:, None], self.network.see(goal.nan_to_num()), self.network.read(text)
        )
        return (self.network.see(frames) * wanted).sum(1).clamp(-1.0, 1.0), None

    def _loss(
        self, stack: PackedEpisodes, sentences: NDArray[np.int64], rng: np.random.Generator
    ) -> Tensor:
        drawn = moments(rng, stack, self._batch, to_end=True)
        tail = drawn.goal - rng.integers(
            0, np.maximum(1, np.ceil(TAIL * stack.lengths[drawn.episode]).astype(np.int64))
        )
        rows = np.concatenate([drawn.start, drawn.now, drawn.after, tail, drawn.goal])
        start, now, after, near, end = self.network.see(stack.frames[rows]).chunk(5)
        text = self.network.read(stack.text[stack.instructions.sample_matching(rng, drawn.episode)])
        refused = stack.instructions.sample_negative(rng, drawn.episode)
        wrong = self.network.read(stack.text[refused]) if (refused >= 0).any() else None
        total = contrast(near, start, text, sentences[drawn.episode], wrong, refused >= 0)
        arrived = torch.as_tensor(drawn.now == drawn.goal)
        for goal in (end, text):
            values = [each @ goal.T / (1 - self._discount) for each in (start, now, after)]
            total = total + contrast_in_time(values, arrived, self._discount, self._negatives, rng)
        return total


def contrast(
    near: Tensor,
    start: Tensor,
    text: Tensor,
    sentences: NDArray[np.int64],
    wrong: Tensor | None = None,
    refused: NDArray[np.bool_] | None = None,
) -> Tensor:
    """Cross-entropies, no temperature, of which sentence a frame near the end shows, and of which
    frame shows a
    sentence: that one, those of other sentences or any frame before them. Rows of one sentence are
    no negatives of each other, so that a single sentence is learned from as well.

    Args:
        near: frames near the end, shape (B, W), of length one.
        start: earlier frames, shape (B, W).
        text: the sentences, shape (B, W).
        sentences: numbers that tell them apart, shape (B,).
        wrong: a further sentence that each frame does not show, shape (B, W).
        refused: where there is one, shape (B,).
    """
    same = torch.as_tensor(sentences[:, None] == sentences) & ~torch.eye(
        len(sentences), dtype=torch.bool
    )
    logits, rows = (near @ text.T).masked_fill(same, -torch.inf), torch.arange(len(near))
    backwards = torch.cat([logits.T, text @ start.T], dim=1)
    if wrong is not None:
        named = (near * wrong).sum(1).masked_fill(~torch.as_tensor(refused), -torch.inf)
        logits = torch.cat([logits, named[:, None]], dim=1)
    return functional.cross_entropy(logits, rows) + functional.cross_entropy(backwards, rows)


class Towers(nn.Module):
    """Frames and sentences to vectors of length one."""

    def __init__(self, features: int, text: int, width: int) -> None:
        super().__init__()
        self.frame, self.sentence = embedding(features, width), nn.Linear(text, width)

    def see(self, frames: Tensor) -> Tensor:
        """Frames (B, D) to (B, width)."""
        return functional.normalize(self.frame(frames), dim=-1)

    def read(self, text: Tensor) -> Tensor:
        """Sentences (B, E) to (B, width)."""
        return functional.normalize(self.sentence(text), dim=-1)
