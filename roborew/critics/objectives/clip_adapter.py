"""Light adapters on frozen vectors of frames and sentences, learned by ranking frames: later in the
task scores higher.

Meant for encoders whose frames and sentences share a space, as CLIP's do (arXiv:2103.00020), where
it starts from their own similarity (residual adapters, CLIP-Adapter, arXiv:2110.04544); it runs on
any other as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from roborew.critics.dataset.ranked_pairs import RankedPairSampler
from roborew.critics.networks.heads import masked_mean
from roborew.critics.torch_objective import PerFrameObjective
from roborew.errors import InvalidInputError
from roborew.learning.examples import Example, Report
from roborew.learning.packed_episodes import PackedEpisodes
from roborew.types import RewardSpec

NUM_PROBED_PAIRS = 1000
"""Pairs that are drawn to see whether any can be ranked."""


class ClipAdapter(PerFrameObjective["Adapters"]):
    """The score is the cosine of the adapted frame and the adapted sentence, ``s(frame, text)``.

    ``L = softplus(a (s(worse, text) - s(better, text))) + softplus(a (s(frame, other text) -
    s(frame, text)))`` with the logit scale a: RankNet's cross-entropy (Burges et al. 2005, its
    probabilistic ranking cost). Of two frames of one sentence, the one with more progress is
    better (labels where there are any, otherwise time within successes; the end of a success above
    any frame of a failure), and every frame scores higher under its own sentence than under another
    one.

    Args:
        seed: random seed of the weights and the sampling order.
        steps: gradient steps.
        batch_size: pairs of frames a step.
        hidden_dim: width of the adapters.
        logit_scale: by which cosines are multiplied in the loss.
    """

    spec: ClassVar[RewardSpec] = RewardSpec(
        name="clip_adapter",
        low=-1.0,
        high=1.0,
        context=1,
        causal=True,
        needs_goal_image=False,
        predicts_success=False,
        paper="CLIP, arXiv:2103.00020; CLIP-Adapter, arXiv:2110.04544; pairwise ranking as in RankNet (Burges 2005)",
    )
    RENAMED: ClassVar[Mapping[str, str]] = {
        "batch": "batch_size",
        "width": "hidden_dim",
        "scale": "logit_scale",
    }

    def __init__(
        self,
        *,
        seed: int = 0,
        steps: int = 300,
        batch_size: int = 128,
        hidden_dim: int = 64,
        logit_scale: float = 10.0,
    ) -> None:
        super().__init__("clip_adapter", seed, steps)
        if batch_size < 1 or hidden_dim < 1 or not 0 < logit_scale < np.inf:
            raise InvalidInputError(
                "clip_adapter: expected batch_size and hidden_dim >= 1 and a logit_scale above 0; "
                f"got {batch_size}, {hidden_dim} and {logit_scale}."
            )

        self._batch_size = batch_size
        self._hidden_dim = hidden_dim
        self._logit_scale = logit_scale

    def build(self, feature_dim: int, text_dim: int) -> Adapters:
        """The adapters for frames (D,) and sentences (E,), untrained."""
        return Adapters(feature_dim, text_dim, self._hidden_dim)

    def fit(
        self, examples: Sequence[Example], validation: Sequence[Example], report: Report
    ) -> None:
        """Learn from pairs of frames.

        Raises:
            InvalidInputError: no two frames of any sentence can be ranked.
        """
        sampler = RankedPairSampler(examples)
        episodes = PackedEpisodes(examples)
        # Whether any pair can be ranked is not said by one label alone.
        probe = sampler.sample(np.random.default_rng(self._seed), NUM_PROBED_PAIRS)
        if not probe.order.any():
            raise InvalidInputError(
                "clip_adapter: no two frames differ in progress; give successes or labels."
            )

        self.minimize(examples, lambda rng: self._loss(episodes, sampler, rng), report)

    def predict(self, frames: Tensor, text: Tensor, goal: Tensor) -> tuple[Tensor, Tensor | None]:
        """Cosines of frames and sentences."""
        return self.network(frames, text).clamp(-1.0, 1.0), None

    def _loss(
        self, episodes: PackedEpisodes, sampler: RankedPairSampler, rng: np.random.Generator
    ) -> Tensor:
        batch = sampler.sample(rng, self._batch_size)
        # One pass for all three: the second frame under its own sentence is read in both losses.
        frame_rows = np.concatenate([batch.first, batch.second, batch.second])
        text_rows = np.concatenate([batch.matching, batch.matching, batch.mismatched])
        frames = episodes.frames[frame_rows]
        text = episodes.text[text_rows]
        logits = self._logit_scale * self.network(frames, text)
        first, second, mismatched = logits.chunk(3)

        order = torch.as_tensor(batch.order)
        frame_losses = functional.softplus((first - second) * order)
        frame_loss = masked_mean(frame_losses, order != 0)

        has_mismatched = torch.as_tensor(batch.mismatched >= 0)
        text_losses = functional.softplus(mismatched - second)
        text_loss = masked_mean(text_losses, has_mismatched)
        return frame_loss + text_loss


class Adapters(nn.Module):
    """Vectors of frames and sentences, each with a small change that starts at nothing; projected
    to one width where they have not the same."""

    def __init__(self, feature_dim: int, text_dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.project = nn.Identity()
        # Encoders of one space are taken as they are; others must be joined first.
        if feature_dim != text_dim:
            self.project = nn.Linear(text_dim, feature_dim)
        self.frame = _adapter(feature_dim, hidden_dim)
        self.sentence = _adapter(feature_dim, hidden_dim)

    def forward(self, frames: Tensor, text: Tensor) -> Tensor:
        """Cosines (N,) of frames (N, D) and sentences (N, E)."""
        sentence = functional.normalize(self.project(text), dim=1)
        frame = functional.normalize(frames, dim=1)
        adapted_frame = frame + self.frame(frame)
        adapted_sentence = sentence + self.sentence(sentence)
        return functional.cosine_similarity(adapted_frame, adapted_sentence)


def _adapter(feature_dim: int, hidden_dim: int) -> nn.Sequential:
    """A residual branch that is 0 before training."""
    last = nn.Linear(hidden_dim, feature_dim)
    # Zeros, so that before any step the score is the encoder's own similarity.
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(
        nn.LayerNorm(feature_dim),
        nn.Linear(feature_dim, hidden_dim),
        nn.GELU(),
        last,
    )
