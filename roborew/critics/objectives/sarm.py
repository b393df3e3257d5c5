"""Which subtask is running and how far it is, where nobody marked subtasks: they are found in the
demonstrations.

After VLA-RL (arXiv:2505.18719: demonstrations cut into subtasks by themselves, pseudo progress from
them) and SARM (arXiv:2509.25358: a subtask counts for its mean share of the task), but causal: only
the past is read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from roborew.critics.causal_windows import causal_windows
from roborew.critics.dataset.stage_labels import label_by_stages
from roborew.critics.dataset.window_pairs import WindowPairSampler
from roborew.critics.networks.heads import masked_mean, mlp_head
from roborew.critics.networks.transformer import CausalLayers
from roborew.critics.objective import Query
from roborew.critics.torch_objective import TorchObjective
from roborew.errors import InvalidInputError
from roborew.learning.examples import Example, Report
from roborew.learning.packed_episodes import PackedEpisodes
from roborew.types import RecurrentState, RewardSpec, Scores

NUM_HEADS = 4
"""Attention heads."""
TEACHER_FORCING_PROB = 0.75
"""How often the true subtask is given to the network that says how far it is; otherwise its own
guess (SARM)."""
SQUARED_ERROR_WEIGHT = 10
"""Of how far a subtask is, beside a cross-entropy of about 1."""


class Sarm(TorchObjective["SarmNetwork"]):
    """``L = CE(k) + 10 (tau - (p - e_k) / (e_{k+1} - e_k))^2`` of the running subtask k and how far
    it is, tau, for progress p and subtasks that begin at ``e_k`` (SARM, section 4.2).

    The score is ``sum_k P(k) (e_k + (e_{k+1} - e_k) tau_k)``. Subtasks are the marked spans where
    every success has the same ``num_stages`` ones, otherwise found in its frames. With
    ``labels=auto``, progress labels say how much each subtask counts and where in it the frames of
    all labeled episodes are; with ``labels=time``, only successes are learned from, and a subtask
    counts for its share of time.

    Args:
        seed: random seed of the weights and the sampling order.
        steps: gradient steps.
        batch_size: pairs of windows a step.
        num_stages: subtasks that are looked for.
        num_frames: of a window: the episode's first and the last ones before and with the frame
            that is scored.
        hidden_dim: width of the network.
        num_layers: layers of attention.
        labels: "auto" or "time".
    """

    spec: ClassVar[RewardSpec] = RewardSpec(
        name="sarm",
        low=0.0,
        high=1.0,
        context=None,
        causal=True,
        needs_goal_image=False,
        predicts_success=False,
        paper="VLA-RL, arXiv:2505.18719; SARM, arXiv:2509.25358",
    )
    RENAMED: ClassVar[Mapping[str, str]] = {
        "batch": "batch_size",
        "stages": "num_stages",
        "frames": "num_frames",
        "width": "hidden_dim",
        "layers": "num_layers",
    }

    def __init__(
        self,
        *,
        seed: int = 0,
        steps: int = 400,
        batch_size: int = 32,
        num_stages: int = 4,
        num_frames: int = 8,
        hidden_dim: int = 64,
        num_layers: int = 2,
        labels: str = "auto",
    ) -> None:
        super().__init__("sarm", seed, steps)
        if hidden_dim < 8 or hidden_dim % NUM_HEADS:
            raise InvalidInputError(
                f"sarm: expected hidden_dim >= 8 in steps of {NUM_HEADS}; got {hidden_dim}."
            )
        if num_stages < 2 or num_frames < 3 or num_layers < 1 or batch_size < 1:
            raise InvalidInputError(
                "sarm: expected num_stages >= 2, num_frames >= 3, num_layers and batch_size >= 1; "
                f"got {num_stages}, {num_frames}, {num_layers} and {batch_size}."
            )
        if labels not in ("auto", "time"):
            raise InvalidInputError(f"sarm: expected labels 'auto' or 'time'; got {labels!r}.")

        self._batch_size = batch_size
        self._num_stages = num_stages
        self._num_frames = num_frames
        self._hidden_dim = hidden_dim
        self._num_layers = num_layers
        self._labels = labels
        self._stage_ends = _equal_stages(num_stages)

    def build(self, feature_dim: int, text_dim: int) -> SarmNetwork:
        """The network for frames (D,) and sentences (E,), untrained."""
        return SarmNetwork(
            feature_dim, text_dim, self._hidden_dim, self._num_layers, self._stage_ends
        )

    def fit(
        self, examples: Sequence[Example], validation: Sequence[Example], report: Report
    ) -> None:
        """Find the subtasks of each sentence, label frames by them, and learn subtask and how far
        it is.

        Raises:
            InvalidInputError: no success, one of fewer frames than subtasks, or successes of other
                numbers of spans.
        """
        labeled, ends = label_by_stages(examples, self._num_stages, self._labels)
        for stage, end in enumerate(ends[1:]):
            report(f"end of subtask {stage}", float(end))

        # Before `minimize`, which builds the network with them.
        self._stage_ends = ends
        episodes = PackedEpisodes(labeled)
        sampler = WindowPairSampler(labeled, self._num_frames)
        self.minimize(labeled, lambda rng: self._loss(episodes, sampler, rng), report)

    def score_step(self, queries: Sequence[Query]) -> tuple[list[Scores], list[RecurrentState]]:
        """Score new frames, each from its window: the subtasks done and the share of the one that
        is running."""
        windows = causal_windows(queries, self._num_frames)
        with torch.inference_mode():
            vectors = self.network.read(windows.frames, windows.text)
            rows = torch.arange(len(vectors))
            last = vectors[rows, windows.last]
            progress = self.network.progress(last)

        return windows.scores(progress), list(windows.states)

    def load_state_dict(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over saved weights; how many subtasks there are is in them."""
        # The network is built before its weights are read; only the number of ends must be right.
        ends = arrays.get("ends", self._stage_ends)
        if ends.ndim == 1:
            self._stage_ends = _equal_stages(len(ends) - 1)
        super().load_state_dict(arrays)

    def _loss(
        self, episodes: PackedEpisodes, sampler: WindowPairSampler, rng: np.random.Generator
    ) -> Tensor:
        # Pairs mean nothing here: their windows are 2 B windows to learn from.
        first, second = sampler.sample(rng, self._batch_size)
        rows = np.concatenate([first.frames, second.frames])
        text_rows = np.concatenate([first.instruction, second.instruction])
        progress = np.concatenate([first.progress, second.progress])

        show_true_stage = rng.random(rows.shape) < TEACHER_FORCING_PROB
        vectors = self.network.read(episodes.frames[rows], episodes.text[text_rows])
        return self.network.loss(
            vectors,
            torch.as_tensor(progress),
            torch.as_tensor(show_true_stage),
        )


class SarmNetwork(nn.Module):
    """A causal transformer over [sentence, frames]; the first frame is marked, nothing says how
    many came before, so that it cannot be a clock."""

    ends: Tensor

    def __init__(
        self,
        feature_dim: int,
        text_dim: int,
        hidden_dim: int,
        num_layers: int,
        stage_ends: NDArray[np.float32],
    ) -> None:
        super().__init__()
        self.frame = nn.Sequential(
            nn.LayerNorm(feature_dim),
            nn.Linear(feature_dim, hidden_dim),
        )
        self.sentence = nn.Linear(text_dim, hidden_dim)
        self.first = nn.Parameter(0.1 * torch.randn(hidden_dim))
        self.layers = CausalLayers(hidden_dim, num_layers, NUM_HEADS)

        num_stages = len(stage_ends) - 1
        self.stage = mlp_head(hidden_dim, num_stages)
        self.within = mlp_head(hidden_dim + num_stages, 1)
        # Copied, since a buffer shares the memory of its array.
        self.register_buffer("ends", torch.as_tensor(stage_ends.copy()))

    def read(self, frames: Tensor, text: Tensor) -> Tensor:
        """Frames (B, K, D) and sentences (B, E) to a vector for each frame, (B, K, hidden_dim)."""
        sentence = self.sentence(text)[:, None]
        tokens = self.frame(frames)
        first = tokens[:, :1] + self.first
        later = tokens[:, 1:]

        sequence = torch.cat([sentence, first, later], dim=1)
        return self.layers(sequence)[:, 1:]

    def progress(self, vectors: Tensor) -> Tensor:
        """Expected progress (N,) over the subtasks that may be running."""
        probabilities = self.stage(vectors).softmax(-1)
        num_vectors, num_stages = probabilities.shape

        # Every vector with every subtask, (N, stages, ...).
        repeated = vectors[:, None].expand(-1, num_stages, -1)
        every_stage = torch.eye(num_stages).expand(num_vectors, -1, -1)
        share = self.share_within(repeated, every_stage)

        begin = self.ends[:-1]
        progress = begin + self.ends.diff() * share
        return (probabilities * progress).sum(-1).clamp(0.0, 1.0)

    def share_within(self, vectors: Tensor, stage: Tensor) -> Tensor:
        """How far (...) subtasks are, in [0, 1], given as one-hot vectors (..., stages)."""
        inputs = torch.cat([vectors, stage], dim=-1)
        return self.within(inputs)[..., 0].sigmoid()

    def loss(self, vectors: Tensor, progress: Tensor, show_true_stage: Tensor) -> Tensor:
        """Cross-entropy of the subtask and squared error within it, over frames (B, K) whose
        progress is known."""
        is_known = progress.isfinite()
        target = progress.nan_to_num().clamp(0.0, 1.0)
        stage = torch.bucketize(target, self.ends[1:-1], right=True)
        share = (target - self.ends[stage]) / self.ends.diff()[stage]

        logits = self.stage(vectors)
        stage_losses = functional.cross_entropy(
            logits.flatten(0, 1), stage.flatten(), reduction="none"
        )
        stage_loss = masked_mean(stage_losses, is_known.flatten())

        shown_stage = torch.where(show_true_stage, stage, logits.argmax(-1))
        one_hot = functional.one_hot(shown_stage, logits.shape[-1]).float()
        squared_errors = (self.share_within(vectors, one_hot) - share).square()
        # How far a subtask is says nothing of another one.
        is_right = is_known & (shown_stage == stage)
        share_loss = masked_mean(squared_errors, is_right)
        return stage_loss + SQUARED_ERROR_WEIGHT * share_loss


def _equal_stages(num_stages: int) -> NDArray[np.float32]:
    """Ends of subtasks that count the same."""
    return np.linspace(0.0, 1.0, num_stages + 1, dtype=np.float32)
