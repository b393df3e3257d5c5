"""An embedding in which distance is how many frames the goal is away (VIP, arXiv:2210.00030)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from roborew.critics.goal_distance import MAX_DISTANCE, GoalDistance
from roborew.critics.time_contrast import sample_time_triplets, time_contrastive_loss
from roborew.errors import InvalidInputError
from roborew.learning.examples import Example, Report
from roborew.learning.packed_episodes import PackedEpisodes
from roborew.types import RewardSpec

SQUARED_DISTANCE_FLOOR = 1e-12
"""The square root has no gradient at 0."""


class Vip(GoalDistance):
    """Learn V(frame; goal) = -|f(frame) - f(goal)| from the order of a success's frames alone.

    ``L = time_contrastive_loss(V) + l2 E[|f(frame)|^2]`` (VIP, algorithm 1).

    Args:
        seed: random seed of the weights and the sampling order.
        steps: gradient steps.
        batch_size: triplets of frames a step.
        embedding_dim: entries of the embedding.
        gamma: discount of a frame's cost.
        num_negatives: how many times frames are paired with other demonstrations' goals.
        l2: weight of the embedded vectors' mean squared norm.
    """

    spec: ClassVar[RewardSpec] = RewardSpec(
        name="vip",
        low=-MAX_DISTANCE,
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
        if not 0 < gamma < 1:
            raise InvalidInputError(f"vip: expected gamma in (0, 1); got {gamma}.")
        if batch_size < 2 or num_negatives < 0 or not 0 <= l2 < np.inf:
            raise InvalidInputError(
                "vip: expected batch_size >= 2, num_negatives and l2 of at least 0; "
                f"got {batch_size}, {num_negatives} and {l2}."
            )

        self._batch_size = batch_size
        self._gamma = gamma
        self._num_negatives = num_negatives
        self._l2 = l2

    def fit(
        self, examples: Sequence[Example], validation: Sequence[Example], report: Report
    ) -> None:
        """Learn from the successes' frames."""
        successes = self.successes(examples)
        episodes = PackedEpisodes(successes)
        self.minimize(successes, lambda rng: self._loss(episodes, rng), report)
        self.fit_goals(successes)

    def _loss(self, episodes: PackedEpisodes, rng: np.random.Generator) -> Tensor:
        batch = sample_time_triplets(rng, episodes, self._batch_size)
        rows = np.concatenate([batch.start, batch.now, batch.after, batch.goal])
        vectors = self.network(episodes.frames[rows])
        start, now, after, goal = vectors.chunk(4)

        # Of all pairs in the batch: off the diagonal lie the goals of other demonstrations.
        values = [-pairwise_distances(frames, goal) for frames in (start, now, after)]
        reached = torch.as_tensor(batch.now == batch.goal)
        loss = time_contrastive_loss(values, reached, self._gamma, self._num_negatives, rng)

        squared_norms = vectors.square().sum(1)
        return loss + self._l2 * squared_norms.mean()


def pairwise_distances(first: Tensor, second: Tensor) -> Tensor:
    """Distances between all pairs of rows, shape (N, M), with a gradient even where two rows are
    equal."""
    difference = first[:, None] - second
    squares = difference.square().sum(-1)
    return (squares + SQUARED_DISTANCE_FLOOR).sqrt()
