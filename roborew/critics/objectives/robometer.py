"""A causal transformer that says how far a task is, whether it is done, and which of two videos got
further.

After Robometer (arXiv:2603.02115) and ReWiND (arXiv:2505.10911), on frozen embeddings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from roborew.critics.causal_windows import causal_windows
from roborew.critics.dataset.window_pairs import WindowBatch, WindowPairSampler
from roborew.critics.networks.heads import (
    cross_entropy,
    expectation,
    masked_mean,
    mlp_head,
    two_hot,
)
from roborew.critics.networks.transformer import CausalLayers
from roborew.critics.objective import Query
from roborew.critics.torch_objective import TorchObjective
from roborew.errors import InvalidInputError
from roborew.learning.examples import Example, Report
from roborew.learning.packed_episodes import PackedEpisodes
from roborew.learning.sampling import evenly_spaced
from roborew.types import RecurrentState, RewardSpec, Scores

HEADS = 4
CHUNK = 1024
"""Windows that are scored at once."""


class Robometer(TorchObjective["RobometerNetwork"]):
    """Args:
    seed: of weights and order.
    steps: gradient steps.
    batch: pairs of windows a step.
    frames: of a window: the episode's first and the last ones before and with the frame that is
        scored.
    width: of the network.
    layers: of attention.
    bins: that progress is spread over.
    cut_off: share of an unlabelled success after which the task is already done.
    done: progress from which the goal holds.
    """

    spec: ClassVar[RewardSpec] = RewardSpec(
        name="progress",
        low=0.0,
        high=1.0,
        context=None,
        causal=True,
        needs_goal_image=False,
        predicts_success=True,
        paper="Robometer, arXiv:2603.02115; ReWiND, arXiv:2505.10911",
    )

    RENAMED: ClassVar[Mapping[str, str]] = {
        "batch": "batch_size",
        "frames": "num_frames",
        "width": "hidden_dim",
        "layers": "num_layers",
        "bins": "num_bins",
        "cut_off": "truncate_ratio",
        "done": "success_threshold",
    }

    def __init__(
        self,
        *,
        seed: int = 0,
        steps: int = 400,
        batch_size: int = 64,
        num_frames: int = 8,
        hidden_dim: int = 64,
        num_layers: int = 2,
        num_bins: int = 20,
        truncate_ratio: float = 1.0,
        success_threshold: float = 0.95,
    ) -> None:
        super().__init__("progress", seed, steps)
        if (
            num_frames < 3
            or hidden_dim % HEADS
            or hidden_dim < 8
            or num_bins < 2
            or batch_size < 1
            or num_layers < 1
        ):
            raise InvalidInputError(
                f"progress: expected frames >= 3, width >= 8 in steps of {HEADS}, bins >= 2, "
                f"batch and layers >= 1; "
                f"got {num_frames}, {hidden_dim}, {num_bins}, {batch_size} and {num_layers}."
            )
        if not (0 < truncate_ratio <= 1 and 0 < success_threshold <= 1):
            raise InvalidInputError(
                f"progress: expected cut_off and done in (0, 1]; got {truncate_ratio} and {success_threshold}."
            )
        self._batch, self._frames, self._bins = batch_size, num_frames, num_bins
        self._width, self._layers, self._cut_off, self._done = (
            hidden_dim,
            num_layers,
            truncate_ratio,
            success_threshold,
        )

    def build(self, feature_dim: int, text_dim: int) -> RobometerNetwork:
        """The network for frames (D,) and sentences (E,), untrained."""
        return RobometerNetwork(feature_dim, text_dim, self._width, self._layers, self._bins)

    def fit(
        self, examples: Sequence[Example], validation: Sequence[Example], report: Report
    ) -> None:
        """Learn from pairs of windows: progress and success of the first, and which of the two got
        further."""
        stack = PackedEpisodes(examples)
        shown = WindowPairSampler(examples, self._frames, self._cut_off, self._done)
        self.minimize(
            examples, lambda rng: self._loss(stack, *shown.sample(rng, self._batch)), report
        )

    def score_step(self, queries: Sequence[Query]) -> tuple[list[Scores], list[RecurrentState]]:
        """Score new frames, each from its window; the frames of the next windows are remembered."""
        asked = causal_windows(queries, self._frames)
        parts: list[Tensor] = []
        with torch.inference_mode():
            for start in range(0, len(asked.last), CHUNK):
                part = slice(start, start + CHUNK)
                vectors = self.network.read(asked.frames[part], asked.text[part])
                last = vectors[torch.arange(len(vectors)), asked.last[part]]
                claims = self.network.success(last)[:, 0].sigmoid()
                parts.append(torch.stack([expectation(self.network.progress(last)), claims]))
        value, success = torch.cat(parts, dim=1)
        return asked.scores(value, success), list(asked.states)

    def prefer(self, first: Query, second: Query) -> float:
        """Probability that the second of two videos got further under the first one's sentence;
        both are read whole.

        Both orders are asked, so that ``prefer(a, b) + prefer(b, a)`` is 1.
        """
        rows = [
            torch.as_tensor(
                query.features[evenly_spaced(np.arange(len(query.features)), self._frames)]
            )
            for query in (first, second)
        ]
        text = torch.as_tensor(np.stack([first.text_embedding, first.text_embedding]))
        with torch.inference_mode():
            logits = self.network.compare(torch.stack(rows), torch.stack(rows[::-1]), text)[1]
        return float((logits[0] - logits[1]).div(2).sigmoid())

    def _loss(self, stack: PackedEpisodes, first: WindowBatch, second: WindowBatch) -> Tensor:
        text = stack.text[first.instruction]
        vectors, preference = self.network.compare(
            stack.frames[first.frames], stack.frames[second.frames], text
        )
        return self.network.loss(vectors, preference, first, second)


class RobometerNetwork(nn.Module):
    """Tokens are [sentence, frames] or, to compare, [sentence, frames, mark, frames, mark]. Only
    the first frame is
    marked as such: nothing says how many came before a frame, so that it cannot be a clock."""

    def __init__(self, features: int, text: int, width: int, layers: int, bins: int) -> None:
        super().__init__()
        self.frame = nn.Sequential(nn.LayerNorm(features), nn.Linear(features, width))
        self.sentence = nn.Linear(text, width)
        self.marks = nn.Parameter(0.1 * torch.randn(3, width))
        self.layers = CausalLayers(width, layers, HEADS)
        self.progress, self.success, self.preference = (
            mlp_head(width, bins),
            mlp_head(width, 1),
            mlp_head(width, 1),
        )
        self.bins = bins

    def read(self, frames: Tensor, text: Tensor) -> Tensor:
        """Frames (B, K, D) and sentences (B, E) to a vector for each frame, (B, K, width)."""
        return self.layers(torch.cat([self.sentence(text)[:, None], self._frames(frames)], dim=1))[
            :, 1:
        ]

    def compare(self, first: Tensor, second: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
        """Vectors of the first video's frames, (B, K, width), and the logit that the second got
        further, (B,)."""
        between, end = (self.marks[row].expand(len(first), 1, -1) for row in (1, 2))
        tokens = [
            self.sentence(text)[:, None],
            self._frames(first),
            between,
            self._frames(second),
            end,
        ]
        vectors = self.layers(torch.cat(tokens, dim=1))
        return vectors[:, 1 : 1 + first.shape[1]], self.preference(vectors[:, -1])[:, 0]

    def loss(
        self, vectors: Tensor, preference: Tensor, first: WindowBatch, second: WindowBatch
    ) -> Tensor:
        """Sum of the three losses, each a mean over what is known."""
        progress, success = torch.as_tensor(first.progress), torch.as_tensor(first.success)
        known, told = progress.isfinite(), success.isfinite()
        logits = self.progress(vectors)
        filled = progress.nan_to_num()
        total = masked_mean(cross_entropy(logits, two_hot(filled, self.bins)), known)
        total = total + 10 * masked_mean((expectation(logits) - filled).square(), known)
        claims = functional.binary_cross_entropy_with_logits(
            self.success(vectors)[..., 0], success.nan_to_num(), reduction="none"
        )
        further = torch.as_tensor(first.preference(second))
        choices = functional.binary_cross_entropy_with_logits(
            preference, further.nan_to_num(), reduction="none"
        )
        return total + masked_mean(claims, told) + masked_mean(choices, further.isfinite())

    def _frames(self, frames: Tensor) -> Tensor:
        tokens = self.frame(frames)
        return torch.cat([tokens[:, :1] + self.marks[0], tokens[:, 1:]], dim=1)
