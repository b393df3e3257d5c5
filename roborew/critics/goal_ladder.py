"""The distance to the best of all pictures so far, by Elo's ratings of what somebody called better.

GoalLadder (arXiv:2506.16396): the answers say which picture is the goal, and nothing of how near another one
is to it; that is a distance in an embedding that is learned without any label, by a variational autoencoder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from roborew.critics.dataset.preferences import (
    PackedComparisons,
    ScriptedTeacher,
    SegmentComparison,
)
from roborew.critics.goal_distance import MAX_DISTANCE, GoalDistance
from roborew.critics.networks.reward_network import kl_divergence
from roborew.errors import InvalidInputError
from roborew.learning.elo import elo_ratings
from roborew.learning.examples import Example, Report, by_instruction
from roborew.learning.packed_episodes import PackedEpisodes
from roborew.types import RewardSpec


class FrameAutoencoder(nn.Module):
    """Frames (..., D) to the means (..., width) of their codes; the decoder is there to learn with."""

    def __init__(self, feature_dim: int, embedding_dim: int) -> None:
        super().__init__()
        hidden = 2 * embedding_dim
        self.encoder = nn.Sequential(
            nn.LayerNorm(feature_dim),
            nn.Linear(feature_dim, hidden),
            nn.GELU(),
            nn.Linear(hidden, 2 * embedding_dim),
        )
        self.decoder = nn.Sequential(
            nn.Linear(embedding_dim, hidden), nn.GELU(), nn.Linear(hidden, feature_dim)
        )

    def forward(self, frames: Tensor) -> Tensor:
        """The means of the codes."""
        return self.encode(frames)[0]

    def encode(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of the codes, (..., width) each."""
        mean, log_variance = self.encoder(frames).chunk(2, dim=-1)
        return mean, log_variance.clamp(-8, 4)


class GoalLadder(GoalDistance):
    """``score = 1 - min(|f(frame) - f(best)| / unit, 2) / 2`` with f the mean of the code of an autoencoder,
    ``L = |decode(z) - norm(frame)|^2 / D + beta KL(q(z | frame) | N(0, I)) / width``, and unit the mean
    distance from a first frame: 1 at the best frame, about a half at the start.

    The best frame of a sentence is the last one of the piece with the highest rating, see `elo_ratings`:
    answers count in their order. Of frames nothing else is read.

    Args:
        seed: random seed of the weights, the sampling order and the teacher's questions.
        steps: gradient steps.
        batch_size: frames a step.
        embedding_dim: entries of the code.
        kl_weight: beta.
        num_queries: comparisons that the teacher is asked for, where nobody else answered.
        segment_length: frames of a piece.
        tie_margin: difference in progress below which the teacher sees none.
    """

    spec: ClassVar[RewardSpec] = RewardSpec(
        name="goal_ladder",
        low=0.0,
        high=1.0,
        context=1,
        causal=True,
        needs_goal_image=False,
        predicts_success=False,
        paper="GoalLadder, arXiv:2506.16396",
    )
    RENAMED: ClassVar[Mapping[str, str]] = {}

    def __init__(
        self,
        *,
        seed: int = 0,
        steps: int = 400,
        batch_size: int = 256,
        embedding_dim: int = 16,
        kl_weight: float = 0.01,
        num_queries: int = 4000,
        segment_length: int = 1,
        tie_margin: float = 0.02,
    ) -> None:
        super().__init__("goal_ladder", seed, steps, embedding_dim)
        if batch_size < 1 or num_queries < 1 or not 0 <= kl_weight < np.inf:
            raise InvalidInputError(
                "goal_ladder: expected batch_size >= 1, num_queries >= 1 and a kl_weight of at least 0; "
                f"got {batch_size}, {num_queries} and {kl_weight}."
            )
        self._teacher = ScriptedTeacher(segment_length=segment_length, tie_margin=tie_margin)
        self._batch_size = batch_size
        self._kl_weight = kl_weight
        self._num_queries = num_queries

    def build(self, feature_dim: int, text_dim: int) -> FrameAutoencoder:
        """The autoencoder of frames (D,), untrained; sentences are not read."""
        return FrameAutoencoder(feature_dim, self._embedding_dim)

    def fit(
        self, examples: Sequence[Example], validation: Sequence[Example], report: Report
    ) -> None:
        """Ask the scripted teacher about the examples, and learn from the answers."""
        rng = np.random.default_rng(self._seed)
        answers = self._teacher.sample_comparisons(rng, examples, self._num_queries)
        self.learn(examples, answers, report)

    def learn(
        self, examples: Sequence[Example], answers: Sequence[SegmentComparison], report: Report
    ) -> None:
        """Learn the embedding from all frames, and the goals from answers about pieces of them.

        Raises:
            InvalidInputError: no answer, or one about an episode that there is not.
        """
        best = self._best_frames(examples, answers)
        episodes = PackedEpisodes(examples)
        self.minimize(examples, lambda rng: self._loss(episodes, rng), report)
        groups = by_instruction(examples)
        with torch.inference_mode():
            goals = [
                (groups[sentence], self.network(episodes.frames[row]))
                for sentence, row in best.items()
            ]
        self.keep_goals(goals)

    def predict(self, frames: Tensor, text: Tensor, goal: Tensor) -> tuple[Tensor, Tensor | None]:
        """1 at the best frame, 0 at twice the distance of a first frame and beyond."""
        value, _ = super().predict(frames, text, goal)
        return 1 + value / MAX_DISTANCE, None

    def _best_frames(
        self, examples: Sequence[Example], answers: Sequence[SegmentComparison]
    ) -> dict[str, int]:
        """The row of the best frame of each sentence that somebody was asked about."""
        comparisons = PackedComparisons.pack(answers, examples, self._teacher.segment_length)
        last_rows = comparisons.segments[..., -1].tolist()
        by_sentence: dict[str, list[tuple[int, int, float]]] = {}
        for (first, second), answer in zip(last_rows, answers, strict=True):
            sentence = examples[answer.first[0]].instruction
            by_sentence.setdefault(sentence, []).append((first, second, answer.label))
        best: dict[str, int] = {}
        for sentence, pairs in by_sentence.items():
            ratings = elo_ratings(pairs)
            best[sentence] = max(ratings, key=lambda row: ratings[row])
        return best

    def _loss(self, episodes: PackedEpisodes, rng: np.random.Generator) -> Tensor:
        """Of frames drawn from all episodes, a scalar."""
        rows = rng.integers(0, len(episodes.frames), self._batch_size)
        frames = episodes.frames[rows]
        assert isinstance(self.network, FrameAutoencoder)
        mean, log_variance = self.network.encode(frames)
        noise = torch.as_tensor(rng.standard_normal(mean.shape), dtype=torch.float32)
        decoded = self.network.decoder(mean + (log_variance / 2).exp() * noise)
        target = functional.layer_norm(frames, frames.shape[-1:])
        divergence = kl_divergence(mean, log_variance) / mean.numel()
        return functional.mse_loss(decoded, target) + self._kl_weight * divergence
