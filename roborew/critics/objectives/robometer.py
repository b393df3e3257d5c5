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

NUM_HEADS = 4
"""Attention heads."""
MAX_WINDOWS = 1024
"""Windows that are scored at once, for memory."""
SQUARED_ERROR_WEIGHT = 10
"""Of the expected progress's squared error, beside a cross-entropy of about 2."""


class Robometer(TorchObjective["RobometerNetwork"]):
    """``L = CE(two-hot progress) + 10 (E[progress] - progress)^2 + BCE(success) + BCE(which window
    got further)``, each a mean over what is labeled (Robometer, section 4; rewound and reversed
    windows as in ReWiND, section 3.2).

    Args:
        seed: random seed of the weights and the sampling order.
        steps: gradient steps.
        batch_size: pairs of windows a step.
        num_frames: of a window: the episode's first and the last ones before and with the frame
            that is scored.
        hidden_dim: width of the network.
        num_layers: layers of attention.
        num_bins: that progress is spread over.
        truncate_ratio: share of an unlabeled success after which the task is already done.
        success_threshold: progress from which the goal holds, where success is not told of each frame.
    """

    spec: ClassVar[RewardSpec] = RewardSpec(
        name="robometer",
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
        super().__init__("robometer", seed, steps)
        if hidden_dim % NUM_HEADS or hidden_dim < 8:
            raise InvalidInputError(
                f"robometer: expected hidden_dim >= 8 in steps of {NUM_HEADS}; got {hidden_dim}."
            )
        if num_frames < 3 or num_bins < 2 or batch_size < 1 or num_layers < 1:
            raise InvalidInputError(
                "robometer: expected num_frames >= 3, num_bins >= 2, batch_size and num_layers "
                f">= 1; got {num_frames}, {num_bins}, {batch_size} and {num_layers}."
            )
        if not (0 < truncate_ratio <= 1 and 0 < success_threshold <= 1):
            raise InvalidInputError(
                "robometer: expected truncate_ratio and success_threshold in (0, 1]; "
                f"got {truncate_ratio} and {success_threshold}."
            )

        self._batch_size = batch_size
        self._num_frames = num_frames
        self._hidden_dim = hidden_dim
        self._num_layers = num_layers
        self._num_bins = num_bins
        self._truncate_ratio = truncate_ratio
        self._success_threshold = success_threshold

    def build(self, feature_dim: int, text_dim: int) -> RobometerNetwork:
        """The network for frames (D,) and sentences (E,), untrained."""
        return RobometerNetwork(
            feature_dim, text_dim, self._hidden_dim, self._num_layers, self._num_bins
        )

    def fit(
        self, examples: Sequence[Example], validation: Sequence[Example], report: Report
    ) -> None:
        """Learn from pairs of windows: progress and success of the first, and which of the two got
        further."""
        episodes = PackedEpisodes(examples)
        sampler = WindowPairSampler(
            examples, self._num_frames, self._truncate_ratio, self._success_threshold
        )
        self.minimize(examples, lambda rng: self._loss(episodes, sampler, rng), report)

    def score_step(self, queries: Sequence[Query]) -> tuple[list[Scores], list[RecurrentState]]:
        """Score new frames, each from its window; the frames of the next windows are remembered."""
        windows = causal_windows(queries, self._num_frames)
        progress, success = list[Tensor](), list[Tensor]()
        with torch.inference_mode():
            for start in range(0, len(windows.last), MAX_WINDOWS):
                part = slice(start, start + MAX_WINDOWS)
                vectors = self.network.read(windows.frames[part], windows.text[part])
                rows = torch.arange(len(vectors))
                last = vectors[rows, windows.last[part]]

                progress_logits = self.network.progress(last)
                success_logits = self.network.success(last)[:, 0]
                progress.append(expectation(progress_logits))
                success.append(success_logits.sigmoid())

        scores = windows.scores(torch.cat(progress), torch.cat(success))
        return scores, list(windows.states)

    def prefer(self, first: Query, second: Query) -> float:
        """Probability that the second of two videos got further under the first one's sentence;
        both are read whole.

        Both orders are asked, so that ``prefer(a, b) + prefer(b, a)`` is 1.
        """
        videos = torch.stack([self._whole_video(first), self._whole_video(second)])
        swapped = videos.flip(0)
        sentence = torch.as_tensor(first.text_embedding.copy())
        text = sentence.expand(2, -1)

        with torch.inference_mode():
            _, logits = self.network.compare(videos, swapped, text)
        second_is_further, first_is_further = logits
        difference = second_is_further - first_is_further
        return float(difference.div(2).sigmoid())

    def _whole_video(self, query: Query) -> Tensor:
        """Frames of a video, evenly spaced, shape (num_frames, D)."""
        # As many frames as a window has, all of the video among them.
        indices = evenly_spaced(np.arange(len(query.features)), self._num_frames)
        return torch.as_tensor(query.features[indices])

    def _loss(
        self, episodes: PackedEpisodes, sampler: WindowPairSampler, rng: np.random.Generator
    ) -> Tensor:
        first, second = sampler.sample(rng, self._batch_size)
        # Both windows are drawn under the first one's sentence.
        vectors, preference = self.network.compare(
            episodes.frames[first.frames],
            episodes.frames[second.frames],
            episodes.text[first.instruction],
        )
        return self.network.loss(vectors, preference, first, second)


class RobometerNetwork(nn.Module):
    """Tokens are [sentence, frames] or, to compare, [sentence, frames, mark, frames, mark].

    Only the first frame is marked as such: nothing says how many came before a frame, so that it
    cannot be a clock.
    """

    def __init__(
        self, feature_dim: int, text_dim: int, hidden_dim: int, num_layers: int, num_bins: int
    ) -> None:
        super().__init__()
        self.frame = nn.Sequential(
            nn.LayerNorm(feature_dim),
            nn.Linear(feature_dim, hidden_dim),
        )
        self.sentence = nn.Linear(text_dim, hidden_dim)
        # Of a first frame, of the end of the first video and of the end of the second.
        self.marks = nn.Parameter(0.1 * torch.randn(3, hidden_dim))
        self.layers = CausalLayers(hidden_dim, num_layers, NUM_HEADS)

        self.progress = mlp_head(hidden_dim, num_bins)
        self.success = mlp_head(hidden_dim, 1)
        self.preference = mlp_head(hidden_dim, 1)
        self.bins = num_bins

    def read(self, frames: Tensor, text: Tensor) -> Tensor:
        """Frames (B, K, D) and sentences (B, E) to a vector for each frame, (B, K, hidden_dim)."""
        sentence = self.sentence(text)[:, None]
        frame_tokens = self._frame_tokens(frames)
        tokens = torch.cat([sentence, frame_tokens], dim=1)
        return self.layers(tokens)[:, 1:]

    def compare(self, first: Tensor, second: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
        """Vectors of the first video's frames, (B, K, hidden_dim), and the logit that the second
        got further, (B,)."""
        batch_size, num_frames = first.shape[:2]
        between = self.marks[1].expand(batch_size, 1, -1)
        end = self.marks[2].expand(batch_size, 1, -1)
        tokens = [
            self.sentence(text)[:, None],
            self._frame_tokens(first),
            between,
            self._frame_tokens(second),
            end,
        ]

        # The last token alone has read both videos; no frame of the first has read the second.
        vectors = self.layers(torch.cat(tokens, dim=1))
        preference = self.preference(vectors[:, -1])[:, 0]
        return vectors[:, 1 : 1 + num_frames], preference

    def loss(
        self, vectors: Tensor, preference: Tensor, first: WindowBatch, second: WindowBatch
    ) -> Tensor:
        """Sum of the losses, each a mean over what is known."""
        progress_loss = self._progress_loss(vectors, torch.as_tensor(first.progress))

        success_logits = self.success(vectors)[..., 0]
        success_loss = _known_cross_entropy(success_logits, torch.as_tensor(first.success))

        second_is_further = torch.as_tensor(first.preference(second))
        preference_loss = _known_cross_entropy(preference, second_is_further)
        return progress_loss + success_loss + preference_loss

    def _progress_loss(self, vectors: Tensor, progress: Tensor) -> Tensor:
        """Of progress (B, K), NaN where nobody knows."""
        is_known = progress.isfinite()
        target = progress.nan_to_num()
        logits = self.progress(vectors)

        bin_losses = cross_entropy(logits, two_hot(target, self.bins))
        bin_loss = masked_mean(bin_losses, is_known)

        # Bins know no distance: a far one costs as much as a near one. The expectation does.
        squared_errors = (expectation(logits) - target).square()
        squared_loss = masked_mean(squared_errors, is_known)
        return bin_loss + SQUARED_ERROR_WEIGHT * squared_loss

    def _frame_tokens(self, frames: Tensor) -> Tensor:
        """Frames (B, K, D) to tokens (B, K, hidden_dim), the first one marked."""
        tokens = self.frame(frames)
        # Only the first: positions would tell the time, and a clock needs no picture.
        first = tokens[:, :1] + self.marks[0]
        return torch.cat([first, tokens[:, 1:]], dim=1)


def _known_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean binary cross-entropy over labels that are not NaN, a scalar."""
    losses = functional.binary_cross_entropy_with_logits(
        logits, labels.nan_to_num(), reduction="none"
    )
    return masked_mean(losses, labels.isfinite())
