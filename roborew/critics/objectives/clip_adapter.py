"""Light adapters on frozen vectors of frames and sentences, learned by ranking frames: later in the
task scores higher.

Meant for encoders whose frames and sentences share a space, as CLIP's do (arXiv:2103.00020), where
it starts from their own similarity (residual adapters, CLIP-Adapter, arXiv:2110.04544); it runs on
any other as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from roborew.critics.networks.heads import masked_mean
from roborew.critics.torch_objective import PerFrameObjective
from roborew.errors import InvalidInputError
from roborew.learning.examples import Example, Report
from roborew.learning.instructions import InstructionSampler
from roborew.learning.labels import progress_labels, success_labels
from roborew.learning.packed_episodes import PackedEpisodes
from roborew.learning.sampling import Indices, sample_stratified
from roborew.types import RewardSpec

LEAST_GAIN = 0.03
"""Least difference in progress by which two frames are ranked."""


class ClipAdapter(PerFrameObjective["Adapters"]):
    """The score is the cosine of the adapted frame and the adapted sentence. Of two frames of one
    sentence, the one with more progress must score higher (labels where there are any, otherwise
    time within successes; the end of a success above any frame of a failure), and every frame
    higher under its own sentence than under another one.

    Args:
        seed: of weights and order.
        steps: gradient steps.
        batch: pairs of frames a step.
        width: of the adapters.
        scale: by which cosines are multiplied in the loss.
    """

    spec: ClassVar[RewardSpec] = RewardSpec(
        name="ranking_clip",
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
        super().__init__("ranking_clip", seed, steps)
        if batch_size < 1 or hidden_dim < 1 or not 0 < logit_scale < np.inf:
            raise InvalidInputError(
                f"ranking_clip: expected batch and width >= 1 and a scale above 0; got {batch_size}, "
                f"{hidden_dim} and {logit_scale}."
            )
        self._batch, self._width, self._scale = batch_size, hidden_dim, logit_scale

    def build(self, feature_dim: int, text_dim: int) -> Adapters:
        """The adapters for frames (D,) and sentences (E,), untrained."""
        return Adapters(feature_dim, text_dim, self._width)

    def fit(
        self, examples: Sequence[Example], validation: Sequence[Example], report: Report
    ) -> None:
        """Learn from pairs of frames.

        Raises:
            InvalidInputError: no two frames of any sentence can be ranked.
        """
        ranks, stack = Ranks(examples), PackedEpisodes(examples)
        if not ranks.draw(np.random.default_rng(self._seed), 1000).gap.any():
            raise InvalidInputError(
                "ranking_clip: no two frames differ in progress; give successes or labels."
            )
        self.minimize(examples, lambda rng: self._loss(stack, ranks, rng), report)

    def predict(self, frames: Tensor, text: Tensor, goal: Tensor) -> tuple[Tensor, Tensor | None]:
        """Cosines of frames and sentences."""
        return self.network(frames, text).clamp(-1.0, 1.0), None

    def _loss(self, stack: PackedEpisodes, ranks: Ranks, rng: np.random.Generator) -> Tensor:
        drawn = ranks.draw(rng, self._batch)
        frames = stack.frames[np.concatenate([drawn.first, drawn.second, drawn.second])]
        text = stack.text[np.concatenate([drawn.asked, drawn.asked, drawn.other])]
        first, second, wrong = (self._scale * self.network(frames, text)).chunk(3)
        gap = torch.as_tensor(drawn.gap)
        ranked = masked_mean(functional.softplus((first - second) * gap), gap != 0)
        refused = masked_mean(
            functional.softplus(wrong - second), torch.as_tensor(drawn.other >= 0)
        )
        return ranked + refused


@dataclass(frozen=True, slots=True)
class Ranked:
    """Pairs of frames under one sentence, each shape (B,).

    Attributes:
        first: rows of a stack.
        second: rows of a stack, of an episode of the same sentence.
        gap: 1 where the second is further, -1 where the first is, 0 where nobody knows or it is the
            same; float32.
        asked: row of `roborew.learning.instructions` that is asked.
        other: row of a wrong sentence; -1 where none is known.
    """

    first: Indices
    second: Indices
    gap: NDArray[np.float32]
    asked: Indices
    other: Indices


class Ranks:
    """Draws pairs of frames that can be ranked.

    Args:
        examples: at least one.
    """

    def __init__(self, examples: Sequence[Example]) -> None:
        self._length = np.array([len(example.features) for example in examples])
        self._start = np.cumsum([0, *self._length[:-1]])
        self._kinds = [(example.instruction, example.success) for example in examples]
        self._progress = np.concatenate([progress_labels(example) for example in examples])
        self._success = np.concatenate([success_labels(example) for example in examples])
        sentences = [example.instruction for example in examples]
        self._same = [
            [at for at, other in enumerate(sentences) if other == sentence]
            for sentence in sentences
        ]
        self._sentences = InstructionSampler(examples)

    def draw(self, rng: np.random.Generator, count: int) -> Ranked:
        """Half the pairs are of one episode, half of any two of its sentence."""
        asked = sample_stratified(rng, self._kinds, count)
        alone = rng.random(count) < 0.5
        partner = np.array([rng.choice(self._same[int(episode)]) for episode in asked])
        other = self._sentences.sample_mismatched(rng, asked)
        first, second = (
            self._start[each] + rng.integers(0, self._length[each])
            for each in (asked, np.where(alone, asked, partner))
        )
        gap = self._progress[second] - self._progress[first]
        done = self._success[second] - self._success[first]
        gap = np.where(np.isnan(gap), np.where(np.abs(done) == 1, done, 0), gap)
        order = np.where(np.abs(gap) >= LEAST_GAIN, np.sign(gap), 0).astype(np.float32)
        return Ranked(first, second, order, self._sentences.sample_matching(rng, asked), other)


class Adapters(nn.Module):
    """Vectors of frames and sentences, each with a small change that starts at nothing; projected
    to one width where they have not the same."""

    def __init__(self, features: int, text: int, width: int) -> None:
        super().__init__()
        self.project = nn.Identity() if features == text else nn.Linear(text, features)
        self.frame, self.sentence = _adapter(features, width), _adapter(features, width)

    def forward(self, frames: Tensor, text: Tensor) -> Tensor:
        """Cosines (N,) of frames (N, D) and sentences (N, E)."""
        wanted = functional.normalize(self.project(text), dim=1)
        shown = functional.normalize(frames, dim=1)
        return functional.cosine_similarity(
            shown + self.frame(shown), wanted + self.sentence(wanted)
        )


def _adapter(features: int, width: int) -> nn.Sequential:
    last = nn.Linear(width, features)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(nn.LayerNorm(features), nn.Linear(features, width), nn.GELU(), last)
