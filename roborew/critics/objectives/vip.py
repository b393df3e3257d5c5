"""An embedding in which distance is how many frames the goal is away (VIP, arXiv:2210.00030)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from roborew.critics.goal_distance import FARTHEST, GoalDistance
from roborew.critics.time_contrast import contrast_in_time, moments
from roborew.errors import InvalidInputError
from roborew.learning.examples import Example, Report
from roborew.learning.packed_episodes import PackedEpisodes
from roborew.types import RewardSpec


class Vip(GoalDistance):
    """Only successes are learned from, and of them only the order of their frames.

    Args:
        seed: of weights and order.
        steps: gradient steps.
        batch_size: moments a step.
        embedding_dim: entries of the embedding.
        gamma: of a frame's cost.
        num_negatives: shuffles of the batch whose frames are moments of other demonstrations.
        l2: weight of the vectors' mean square.
    """

    spec: ClassVar[RewardSpec] = RewardSpec(
        name="vip",
        low=-FARTHEST,
        high=0.0,
        context=1,
        causal=True,
        needs_goal_image=False,
        predicts_success=False,
        paper="VIP, arXiv:2210.00030",
    )

    RENAMED: ClassVar[Mapping[str, str]] = {
        "batch": "batch_size",
        "width": "embedding_dim",
        "discount": "gamma",
        "negatives": "num_negatives",
        "shrink": "l2",
    }

    def __init__(
        self,
        *,
        seed: int = 0,
        steps: int = 400,
        batch_size: int = 64,
        embedding_dim: int = 32,
        gamma: float = 0.98,
        num_negatives: int = 3,
        l2: float = 1e-5,
    ) -> None:
        super().__init__("vip", seed, steps, embedding_dim)
        if not 0 < gamma < 1 or batch_size < 2 or num_negatives < 0 or not 0 <= l2 < np.inf:
            raise InvalidInputError(
                "vip: expected a discount in (0, 1), batch >= 2, negatives and shrink of at least "
                "0; "
                f"got {gamma}, {batch_size}, {num_negatives} and {l2}."
            )
        self._batch, self._discount, self._negatives, self._shrink = (
            batch_size,
            gamma,
            num_negatives,
            l2,
        )

    def fit(
        self, examples: Sequence[Example], validation: Sequence[Example], report: Report
    ) -> None:
        """Learn from the successes' frames."""
        good = self.successes(examples)
        stack = PackedEpisodes(good)
        self.minimize(good, lambda rng: self._loss(stack, rng), report)
        self.remember(good)

    def _loss(self, stack: PackedEpisodes, rng: np.random.Generator) -> Tensor:
        drawn = moments(rng, stack, self._batch)
        rows = np.concatenate([drawn.start, drawn.now, drawn.after, drawn.goal])
        vectors = self.network(stack.frames[rows])
        start, now, after, goal = vectors.chunk(4)
        values = [-distances(each, goal) for each in (start, now, after)]
        arrived = torch.as_tensor(drawn.now == drawn.goal)
        loss = contrast_in_time(values, arrived, self._discount, self._negatives, rng)
        return loss + self._shrink * vectors.square().sum(1).mean()


def distances(first: Tensor, second: Tensor) -> Tensor:
    """Distances between all pairs of rows, shape (N, M), with a gradient even where two rows are
    equal."""
    return ((first[:, None] - second).square().sum(-1) + 1e-12).sqrt()
