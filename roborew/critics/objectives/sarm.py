"""Which subtask is running and how far it is, where nobody marked subtasks: they are found in the
demonstrations.

After VLA-RL (arXiv:2505.18719: demonstrations cut into subtasks by themselves, pseudo progress from
them) and SARM (arXiv:2509.25358: a subtask counts for its mean share of the task), but causal: only
the past is read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from roborew.critics.causal_windows import causal_windows
from roborew.critics.dataset.subtasks import segment_jointly
from roborew.critics.dataset.window_pairs import WindowPairSampler
from roborew.critics.networks.heads import masked_mean, mlp_head
from roborew.critics.networks.transformer import CausalLayers
from roborew.critics.objective import Query
from roborew.critics.torch_objective import TorchObjective
from roborew.errors import InvalidInputError
from roborew.learning.examples import Example, Report
from roborew.learning.labels import progress_labels
from roborew.learning.packed_episodes import PackedEpisodes
from roborew.learning.sampling import Indices
from roborew.types import RecurrentState, RewardSpec, Scores

HEADS = 4
TOLD = 0.75
"""How often the true subtask is given to the network that says how far it is; otherwise its own
guess."""
LEAST_SHARE = 0.02
"""Of the task that a subtask counts for."""


class Sarm(TorchObjective["SarmNetwork"]):
    """Subtasks are the marked spans where every success has the same ``stages`` ones, otherwise
    found in its frames. With ``labels=auto``, progress labels say how much each subtask counts and
    where in it the frames of all labelled episodes are; with ``labels=time``, only successes are
    learned from, and a subtask counts for its share of time.

    Args:
        seed: of weights and order.
        steps: gradient steps.
        batch_size: pairs of windows a step.
        num_stages: subtasks that are looked for.
        num_frames: of a window: the episode's first and the last ones before and with the frame that is
            scored.
        hidden_dim: of the network.
        num_layers: of attention.
        labels: "auto" or "time".
    """

    spec: ClassVar[RewardSpec] = RewardSpec(
        name="stages",
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
        super().__init__("stages", seed, steps)
        if (
            num_stages < 2
            or num_frames < 3
            or hidden_dim < 8
            or hidden_dim % HEADS
            or num_layers < 1
            or batch_size < 1
        ):
            raise InvalidInputError(
                f"stages: expected stages >= 2, frames >= 3, width >= 8 in steps of {HEADS}, "
                f"layers and batch >= 1; "
                f"got {num_stages}, {num_frames}, {hidden_dim}, {num_layers} and {batch_size}."
            )
        if labels not in ("auto", "time"):
            raise InvalidInputError(f"stages: expected labels 'auto' or 'time'; got {labels!r}.")
        self._batch, self._stages, self._frames, self._labels = (
            batch_size,
            num_stages,
            num_frames,
            labels,
        )
        self._width, self._layers = hidden_dim, num_layers
        self._ends = np.linspace(0.0, 1.0, num_stages + 1, dtype=np.float32)

    def build(self, feature_dim: int, text_dim: int) -> SarmNetwork:
        """The network for frames (D,) and sentences (E,), untrained."""
        return SarmNetwork(feature_dim, text_dim, self._width, self._layers, self._ends)

    def fit(
        self, examples: Sequence[Example], validation: Sequence[Example], report: Report
    ) -> None:
        """Find the subtasks of each sentence, label frames by them, and learn subtask and how far
        it is.

        Raises:
            InvalidInputError: no success, one of fewer frames than subtasks, or successes of other
                numbers of spans.
        """
        labelled, self._ends = pseudo_labelled(examples, self._stages, self._labels)
        for number, end in enumerate(self._ends[1:]):
            report(f"end of subtask {number}", float(end))
        stack, shown = PackedEpisodes(labelled), WindowPairSampler(labelled, self._frames)
        self.minimize(labelled, lambda rng: self._loss(stack, shown, rng), report)

    def score_step(self, queries: Sequence[Query]) -> tuple[list[Scores], list[RecurrentState]]:
        """Score new frames, each from its window: the subtasks done and the share of the one that
        is running."""
        asked = causal_windows(queries, self._frames)
        with torch.inference_mode():
            vectors = self.network.read(asked.frames, asked.text)
            value = self.network.progress(vectors[torch.arange(len(vectors)), asked.last])
        return asked.scores(value), list(asked.states)

    def load_state_dict(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over saved weights; how many subtasks there are is in them."""
        ends = arrays.get("ends", self._ends)
        self._ends = (
            np.linspace(0.0, 1.0, len(ends), dtype=np.float32) if ends.ndim == 1 else self._ends
        )
        super().load_state_dict(arrays)

    def _loss(
        self, stack: PackedEpisodes, shown: WindowPairSampler, rng: np.random.Generator
    ) -> Tensor:
        first, second = shown.sample(rng, self._batch)
        frames = stack.frames[np.concatenate([first.frames, second.frames])]
        text = stack.text[np.concatenate([first.instruction, second.instruction])]
        progress = torch.as_tensor(np.concatenate([first.progress, second.progress]))
        told = torch.as_tensor(rng.random(tuple(progress.shape)) < TOLD)
        return self.network.loss(self.network.read(frames, text), progress, told)


class SarmNetwork(nn.Module):
    """A causal transformer over [sentence, frames]; the first frame is marked, nothing says how
    many came before."""

    def __init__(
        self, features: int, text: int, width: int, layers: int, ends: NDArray[np.float32]
    ) -> None:
        super().__init__()
        self.frame = nn.Sequential(nn.LayerNorm(features), nn.Linear(features, width))
        self.sentence = nn.Linear(text, width)
        self.first = nn.Parameter(0.1 * torch.randn(width))
        self.layers = CausalLayers(width, layers, HEADS)
        count = len(ends) - 1
        self.stage, self.within = mlp_head(width, count), mlp_head(width + count, 1)
        self.ends: Tensor
        self.register_buffer("ends", torch.as_tensor(ends.copy()))

    def read(self, frames: Tensor, text: Tensor) -> Tensor:
        """Frames (B, K, D) and sentences (B, E) to a vector for each frame, (B, K, width)."""
        tokens = self.frame(frames)
        tokens = torch.cat(
            [self.sentence(text)[:, None], tokens[:, :1] + self.first, tokens[:, 1:]], dim=1
        )
        return self.layers(tokens)[:, 1:]

    def progress(self, vectors: Tensor) -> Tensor:
        """Expected progress (N,) over the subtasks that may be running."""
        probabilities = self.stage(vectors).softmax(-1)
        count = probabilities.shape[-1]
        each = torch.eye(count).expand(len(vectors), -1, -1)
        within = self.far(vectors[:, None].expand(-1, count, -1), each)
        return (
            (probabilities * (self.ends[:-1] + self.ends.diff() * within)).sum(-1).clamp(0.0, 1.0)
        )

    def far(self, vectors: Tensor, stage: Tensor) -> Tensor:
        """How far (...) subtasks are, in [0, 1], given as one-hot vectors (..., stages)."""
        return self.within(torch.cat([vectors, stage], dim=-1))[..., 0].sigmoid()

    def loss(self, vectors: Tensor, progress: Tensor, told: Tensor) -> Tensor:
        """Cross-entropy of the subtask and squared error within it, over frames (B, K) whose
        progress is known."""
        known, filled = progress.isfinite(), progress.nan_to_num().clamp(0.0, 1.0)
        stage = torch.bucketize(filled, self.ends[1:-1], right=True)
        share = (filled - self.ends[stage]) / self.ends.diff()[stage]
        logits = self.stage(vectors)
        running = functional.one_hot(
            torch.where(told, stage, logits.argmax(-1)), logits.shape[-1]
        ).float()
        guessed = functional.cross_entropy(logits.flatten(0, 1), stage.flatten(), reduction="none")
        far = (self.far(vectors, running) - share).square()
        return masked_mean(guessed, known.flatten()) + 10 * masked_mean(
            far, known & (running.argmax(-1) == stage)
        )


def pseudo_labelled(
    examples: Sequence[Example], stages: int, labels: str = "auto"
) -> tuple[list[Example], NDArray[np.float32]]:
    """Examples with progress from their subtasks, and where the subtasks end.

    Args:
        examples: some of them successes.
        stages: subtasks that are looked for where none are marked.
        labels: "auto" keeps progress labels where there are any; "time" drops them, and all that
            are no successes.

    Returns:
        The examples, and progress at the subtasks' ends, shape (stages + 1,), from 0 to 1: a
        subtask counts for its mean share of the successes.
    """
    kept = [e if labels == "auto" else replace(e, progress=None) for e in examples]
    good = [example for example in kept if example.success is not False]
    if not good:
        raise InvalidInputError(
            "stages: expected at least one success to find subtasks in; got none."
        )
    cuts = _cuts(good, stages)
    at = [progress_labels(e)[np.minimum(cuts[e.name], len(e.features) - 1)] for e in good]
    shares = np.maximum(np.diff(np.nan_to_num(np.mean(at, axis=0))), LEAST_SHARE)
    ends = np.concatenate([[0.0], np.cumsum(shares) / shares.sum()]).astype(np.float32)
    ends[-1] = 1.0
    paced = {
        e.name: np.interp(
            np.arange(len(e.features)), [*cuts[e.name][:-1], len(e.features) - 1], ends
        )
        for e in good
    }
    return [
        replace(e, progress=paced[e.name].astype(np.float32))
        if e.name in paced and e.progress is None
        else e
        for e in (kept if labels == "auto" else good)
    ], ends


def _cuts(good: Sequence[Example], stages: int) -> dict[str, Indices]:
    """Where each success is cut: as marked, where all are marked alike, otherwise as its sentence's
    frames say, up to
    the first one of the highest label: a goal that is held is no subtask."""
    marked = {tuple(name for name, _, _ in example.stages) for example in good}
    if len(marked) == 1 and len(next(iter(marked))) == stages:
        return {
            e.name: np.array([0, *(start for _, start, _ in e.stages[1:]), len(e.features)])
            for e in good
        }
    cuts: dict[str, Indices] = {}
    for sentence in dict.fromkeys(example.instruction for example in good):
        group = [example for example in good if example.instruction == sentence]
        lengths = [int(np.nanargmax(progress_labels(example))) + 1 for example in group]
        found = segment_jointly(
            [e.features[:length] for e, length in zip(group, lengths, strict=True)], stages
        )
        cuts |= {example.name: cut for example, cut in zip(group, found, strict=True)}
    return cuts
