"""What it costs to move an episode onto a demonstration, frame by frame; only of finished episodes.

TemporalOT (arXiv:2410.21795), on a representation that is aligned with preferences where asked
(RAPL, arXiv:2310.07932).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from roborew.critics.objective import Query
from roborew.critics.torch_objective import TorchObjective
from roborew.errors import CorruptFileError, InvalidInputError
from roborew.learning.examples import Example, Report
from roborew.learning.labels import progress_labels
from roborew.learning.sampling import evenly_spaced
from roborew.types import RecurrentState, RewardSpec, Scores


def costs(video: Tensor, demonstration: Tensor, context: int) -> Tensor:
    """One minus the cosine of every pair of frames, averaged over ``context`` frames from them on,
    shape (T, S).

    At the ends the last frames stand for those that are missing.
    """
    first, second = (functional.normalize(each, dim=-1) for each in (video, demonstration))
    total = first.new_zeros(len(first), len(second))
    for shift in range(context):
        rows, columns = (
            torch.arange(shift, shift + len(each)).clamp(max=len(each) - 1)
            for each in (first, second)
        )
        total = total + 1 - first[rows] @ second[columns].T
    return total / context


def plan(cost: Tensor, band: float, epsilon: float, rounds: int) -> Tensor:
    """Entropic optimal transport of evenly spread frames, none moved by more than a share of the
    time, (T, S).

    Args:
        cost: shape (T, S).
        band: largest difference of the shares of their videos at which two frames lie; one frame is
            always in reach.
        epsilon: weight of the entropy.
        rounds: of Sinkhorn's algorithm, in logarithms; the last sets what each row carries, which
            is 1 / T.
    """
    rows, columns = cost.shape
    apart = (torch.linspace(0, 1, rows)[:, None] - torch.linspace(0, 1, columns)).abs()
    reach = max(band, 1 / max(1, min(rows, columns) - 1))
    kernel = (-cost / epsilon).masked_fill(apart > reach + 1e-6, -1e9)
    left, right = cost.new_zeros(rows), cost.new_zeros(columns)
    for _ in range(rounds):
        right = -torch.logsumexp(kernel + left[:, None], dim=0) - float(torch.tensor(columns).log())
        left = -torch.logsumexp(kernel + right, dim=1) - float(torch.tensor(rows).log())
    return (kernel + left[:, None] + right).exp()


SHORT = 24
"""Frames of an episode while the representation is learned."""
ROUNDS = 20
"""Of Sinkhorn's algorithm while the representation is learned."""


class TemporalOT(TorchObjective["Representation"]):
    """The score of a frame is minus its cost in the plan, in [-2, 0], times the number of frames,
    so that it does not shrink with the episode's length. Of several demonstrations, the one that is
    nearest to the whole episode counts.

    Args:
        seed: of weights and order.
        num_demonstrations: kept of each sentence, the successes that are given first.
        num_context_frames: frames from a frame on that are compared with it.
        band: largest share of the time by which a frame is moved.
        epsilon: weight of the plan's entropy.
        sinkhorn_iters: of Sinkhorn's algorithm.
        aligned: learn the representation from pairs of episodes of different outcome (RAPL).
        steps: gradient steps of it.
        batch_size: triplets a step.
        embedding_dim: entries of the representation.
    """

    spec: ClassVar[RewardSpec] = RewardSpec(
        name="transport",
        low=-2.0,
        high=0.0,
        context=None,
        causal=False,
        needs_goal_image=False,
        predicts_success=False,
        paper="TemporalOT, arXiv:2410.21795; RAPL, arXiv:2310.07932",
        shaping="level",
    )

    RENAMED: ClassVar[Mapping[str, str]] = {
        "demonstrations": "num_demonstrations",
        "context": "num_context_frames",
        "rounds": "sinkhorn_iters",
        "batch": "batch_size",
        "width": "embedding_dim",
    }

    def __init__(
        self,
        *,
        seed: int = 0,
        num_demonstrations: int = 2,
        num_context_frames: int = 3,
        band: float = 0.2,
        epsilon: float = 0.01,
        sinkhorn_iters: int = 100,
        aligned: bool = False,
        steps: int = 60,
        batch_size: int = 4,
        embedding_dim: int = 32,
    ) -> None:
        super().__init__("transport", seed, steps)
        if min(
            num_demonstrations, num_context_frames, sinkhorn_iters, batch_size, embedding_dim
        ) < 1 or not (0 < band <= 1 and 0 < epsilon < np.inf):
            raise InvalidInputError(
                "transport: expected demonstrations, context, rounds, batch and width of at least "
                "1, band in (0, 1] "
                f"and epsilon above 0; got {num_demonstrations}, {num_context_frames}, {sinkhorn_iters}, {batch_size}, "
                f"{embedding_dim}, {band}, {epsilon}."
            )
        self._kept, self._context, self._band = num_demonstrations, num_context_frames, band
        self._epsilon, self._rounds, self._aligned = epsilon, sinkhorn_iters, aligned
        self._batch, self._width = batch_size, embedding_dim
        self._texts, self._videos = list[Tensor](), list[Tensor]()

    def build(self, feature_dim: int, text_dim: int) -> Representation:
        """The representation of frames (D,), untrained; without alignment it is the frame
        itself."""
        return Representation(feature_dim, self._width if self._aligned else None)

    def fit(
        self, examples: Sequence[Example], validation: Sequence[Example], report: Report
    ) -> None:
        """Keep demonstrations, and align the representation where asked.

        Raises:
            InvalidInputError: no success; or, to align, no two episodes of a sentence of different
                outcome.
        """
        good = [example for example in examples if example.success is not False]
        if not good:
            raise InvalidInputError(
                "transport: expected at least one success to be moved onto; got none."
            )
        if self._aligned:
            pairs = preferences(examples)
            self.minimize(examples, lambda rng: self._loss(examples, pairs, rng), report)
        else:
            self.make_network(good[0].features.shape[1], len(good[0].text_embedding))
        self._texts, self._videos = list[Tensor](), list[Tensor]()
        for sentence in dict.fromkeys(example.instruction for example in good):
            for example in [each for each in good if each.instruction == sentence][: self._kept]:
                self._texts.append(torch.as_tensor(example.text_embedding.copy()))
                self._videos.append(torch.as_tensor(example.features.copy()))

    def score_step(self, queries: Sequence[Query]) -> tuple[list[Scores], list[RecurrentState]]:
        """Score whole episodes; nothing is remembered."""
        with torch.inference_mode():
            values = [self._score(query) for query in queries]
        return [Scores(value, np.ones(len(value), np.bool_)) for value in values], [
            {} for _ in queries
        ]

    def state_dict(self) -> Mapping[str, NDArray[Any]]:
        """The weights and the demonstrations."""
        arrays = dict(super().state_dict()) | {
            "demonstrations/text": torch.stack(self._texts).numpy()
        }
        return arrays | {
            f"demonstrations/{number}": video.numpy() for number, video in enumerate(self._videos)
        }

    def load_state_dict(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over saved weights and demonstrations."""
        super().load_state_dict(
            {key: array for key, array in arrays.items() if not key.startswith("demonstrations/")}
        )
        given = {key: array for key, array in arrays.items() if key.startswith("demonstrations/")}
        texts = given.pop("demonstrations/text", np.zeros((0, 0), np.float32))
        names = [f"demonstrations/{number}" for number in range(len(texts))]
        shapes = [array.shape[1:] for array in given.values()] + [
            (width,) for width in self._shape[:1]
        ]
        numbers = all(
            array.dtype == np.float32 and array.ndim == 2 and len(array)
            for array in [texts, *given.values()]
        )
        if set(names) != set(given) or not names or len(set(shapes)) > 1 or not numbers:
            raise CorruptFileError(
                "transport: the saved demonstrations do not fit; expected (T, D) and a text for "
                "each."
            )
        self._texts = [torch.as_tensor(np.array(text)) for text in texts]
        self._videos = [torch.as_tensor(np.array(given[name])) for name in names]

    def _score(self, query: Query) -> NDArray[np.float32]:
        near = torch.stack(
            [text @ torch.as_tensor(query.text_embedding.copy()) for text in self._texts]
        )
        video = self.network(torch.as_tensor(query.features.copy()))
        choices = [
            self._moved(video, v)
            for v, n in zip(self._videos, near, strict=True)
            if n >= near.max() - 1e-6
        ]
        return -min(choices, key=lambda each: float(each.mean())).clamp(0.0, 2.0).numpy()

    def _moved(self, video: Tensor, demonstration: Tensor) -> Tensor:
        """What each frame costs, shape (T,)."""
        cost = costs(video, self.network(demonstration), self._context)
        return (plan(cost, self._band, self._epsilon, self._rounds) * cost).sum(1) * len(cost)

    def _loss(
        self,
        examples: Sequence[Example],
        pairs: Sequence[tuple[int, int, tuple[int, ...]]],
        rng: np.random.Generator,
    ) -> Tensor:
        """Cross-entropy of which of two episodes costs less to be moved onto a third."""
        gaps: list[Tensor] = []
        for row in rng.integers(len(pairs), size=self._batch):
            preferred, other, references = pairs[int(row)]
            reference, better, worse = (
                self.network(
                    torch.as_tensor(e.features[evenly_spaced(np.arange(len(e.features)), SHORT)])
                )
                for e in (
                    examples[number] for number in (int(rng.choice(references)), preferred, other)
                )
            )
            near, far = (
                (plan(cost, self._band, self._epsilon * 10, ROUNDS) * cost).sum()
                for cost in (costs(each, reference, self._context) for each in (better, worse))
            )
            gaps.append(far - near)
        return functional.softplus(-torch.stack(gaps) * 10).mean()


class Representation(nn.Module):
    """Frames (T, D) as they are, or in fewer entries that are learned."""

    def __init__(self, features: int, width: int | None) -> None:
        super().__init__()
        self.layer = nn.Identity() if width is None else nn.Linear(features, width, bias=False)

    def forward(self, frames: Tensor) -> Tensor:
        """Vectors (T, width)."""
        return self.layer(frames)


def preferences(
    examples: Sequence[Example], least: float = 0.2
) -> list[tuple[int, int, tuple[int, ...]]]:
    """Pairs (better, worse) of one sentence, the better one further in the end, and the other
    successes of it.

    Raises:
        InvalidInputError: there are none.
    """
    ends = [1.0 if e.success else float(np.nan_to_num(progress_labels(e)[-1])) for e in examples]
    groups: dict[str, list[int]] = {}
    for number, example in enumerate(examples):
        groups.setdefault(example.instruction, []).append(number)
    found = [
        (better, worse, others)
        for group in groups.values()
        for better in group
        if (
            others := tuple(
                each for each in group if examples[each].success is not False and each != better
            )
        )
        for worse in group
        if ends[better] - ends[worse] >= least
    ]
    if not found:
        raise InvalidInputError(
            "transport: to align the representation, expected two successes and a failure of one "
            "sentence; "
            f"got {sum(e.success is not False for e in examples)} successes of {len(examples)} "
            f"episodes."
        )
    return found
