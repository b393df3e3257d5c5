"""An embedding in which demonstrations align: there and back again through another one leads to the
same moment.

Temporal cycle consistency (arXiv:1904.07846), paid as in XIRL (arXiv:2106.03911).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal, get_args

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from roborew.critics.goal_distance import FARTHEST, GoalDistance
from roborew.errors import InvalidInputError
from roborew.learning.examples import Example, Report
from roborew.learning.packed_episodes import PackedEpisodes
from roborew.types import RewardSpec

Way = Literal["regression", "variance", "classification"]
SURE, SMALL = 0.001, 1e-4
"""Weight of the log of the spread (TCC's lambda), and the least spread, in squared shares of an
episode."""


class Tcc(GoalDistance):
    """Only successes are learned from, in pairs of one sentence; where a sentence has one success,
    two draws of its frames are the pair.

    Args:
        seed: of weights and order.
        steps: gradient steps.
        batch: pairs of episodes a step.
        frames: that are drawn of each episode.
        width: entries of the embedding.
        temperature: of the nearest neighbour, which is a soft one.
        loss: of the way back: "regression" of the time, "variance" for the same weighed by how sure
            the way is, or "classification" of the frame.
    """

    spec: ClassVar[RewardSpec] = RewardSpec(
        name="tcc",
        low=-FARTHEST,
        high=0.0,
        context=1,
        causal=True,
        needs_goal_image=False,
        predicts_success=False,
        paper="TCC, arXiv:1904.07846; XIRL, arXiv:2106.03911",
    )

    RENAMED: ClassVar[Mapping[str, str]] = {
        "batch": "batch_size",
        "frames": "num_frames",
        "width": "embedding_dim",
    }

    def __init__(
        self,
        *,
        seed: int = 0,
        steps: int = 300,
        batch_size: int = 8,
        num_frames: int = 15,
        embedding_dim: int = 32,
        temperature: float = 0.1,
        loss: Way = "regression",
    ) -> None:
        super().__init__("tcc", seed, steps, embedding_dim)
        if batch_size < 1 or num_frames < 2 or not 0 < temperature < np.inf:
            raise InvalidInputError(
                "tcc: expected batch >= 1, frames >= 2 and a temperature above 0; "
                f"got {batch_size}, {num_frames} and {temperature}."
            )
        if loss not in get_args(Way):
            raise InvalidInputError(f"tcc: expected loss {', '.join(get_args(Way))}; got {loss!r}.")
        self._batch, self._frames, self._temperature = batch_size, num_frames, temperature
        self._way: Way = loss

    def fit(
        self, examples: Sequence[Example], validation: Sequence[Example], report: Report
    ) -> None:
        """Learn from pairs of successes."""
        good = self.successes(examples)
        sentences = [example.instruction for example in good]
        partners = [
            [at for at, other in enumerate(sentences) if other == sentence and at != row] or [row]
            for row, sentence in enumerate(sentences)
        ]
        stack = PackedEpisodes(good)
        self.minimize(good, lambda rng: self._loss(stack, partners, rng), report)
        self.remember(good)

    def _loss(
        self, stack: PackedEpisodes, partners: Sequence[Sequence[int]], rng: np.random.Generator
    ) -> Tensor:
        episodes = rng.integers(len(partners), size=self._batch)
        others = np.array([rng.choice(partners[int(episode)]) for episode in episodes])
        rows, times = zip(
            *(self._drawn(stack, each, rng) for each in (episodes, others)), strict=True
        )
        first, second = (self.network(stack.frames[each]) for each in rows)
        return cycle_loss(first, second, torch.as_tensor(times[0]), self._temperature, self._way)

    def _drawn(
        self, stack: PackedEpisodes, episodes: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Frames in time order, shape (B, K), and when in the episode they are, in [0, 1]."""
        times = np.sort(rng.random((len(episodes), self._frames)), axis=1)
        times[:, 0], times[:, -1] = 0, 1
        steps = np.rint(times * (stack.lengths[episodes, None] - 1)).astype(np.int64)
        return stack.starts[episodes, None] + steps, (
            steps / (stack.lengths[episodes, None] - 1)
        ).astype(np.float32)


def cycle_loss(
    first: Tensor, second: Tensor, times: Tensor, temperature: float, loss: Way = "regression"
) -> Tensor:
    """How far from itself a frame comes back by its soft nearest neighbour in another episode (TCC,
    section 3.2).

    ``b_k``, the way back, is a distribution over the first frames. Classification: ``-log b_i`` of
    frame i.
    Regression: ``(m - t_i)^2`` with the mean time ``m = sum b_k t_k``. With the variance ``s = sum
    b_k (t_k - m)^2``: ``(m - t_i)^2 / s + lambda log sqrt(s)``, which a way that is unsure cannot
    escape.

    Args:
        first: embedded frames, shape (B, K, W).
        second: those of the other episodes, shape (B, L, W).
        times: of the first frames, in [0, 1], shape (B, K).
        temperature: of both soft choices, a share of W.
        loss: which of them.
    """
    scale = temperature * first.shape[-1]
    near = (-_squares(first, second) / scale).softmax(-1) @ second
    logits = -_squares(near, first) / scale
    if loss == "classification":
        frames = torch.arange(first.shape[1]).repeat(len(first))
        return functional.cross_entropy(logits.flatten(0, 1), frames)
    back = logits.softmax(-1)
    mean = (back * times[:, None]).sum(-1)
    error = (mean - times).square()
    if loss == "regression":
        return error.mean()
    spread = (back * (times[:, None] - mean[..., None]).square()).sum(-1) + SMALL
    return (error / spread + SURE * spread.log() / 2).mean()


def _squares(first: Tensor, second: Tensor) -> Tensor:
    return (first[:, :, None] - second[:, None]).square().sum(-1)
