"""What it costs to move an episode onto a demonstration, frame by frame; only of finished episodes.

TemporalOT (arXiv:2410.21795), on a representation that is aligned with preferences where asked
(RAPL, arXiv:2310.07932).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from roborew.critics.objective import Query
from roborew.critics.optimal_transport import cosine_costs, transport_plan
from roborew.critics.torch_objective import TorchObjective
from roborew.errors import CorruptFileError, InvalidInputError
from roborew.learning.examples import Example, Report, by_instruction
from roborew.learning.labels import progress_labels
from roborew.learning.sampling import evenly_spaced
from roborew.types import RecurrentState, RewardSpec, Scores

MAX_COST = 2.0
"""Of a frame: the largest distance of two directions, one minus their cosine."""
SAME_SENTENCE_TOLERANCE = 1e-6
MIN_PROGRESS_GAP = 0.2
"""Least difference in final progress by which one episode is preferred to another."""
ALIGN_FRAMES = 24
"""Frames of an episode while the representation is learned."""
ALIGN_SINKHORN_ITERS = 20
ALIGN_ENTROPY_FACTOR = 10
"""While the representation is learned plans are softer, so that gradients reach more frames."""
ALIGN_LOGIT_SCALE = 10
"""By which a difference of costs, at most 2, is multiplied in the cross-entropy."""
PREFIX = "demonstrations/"
TEXT_ARRAY = "demonstrations/text"


class TemporalOT(TorchObjective["Representation"]):
    """``score_t = -T sum_s P_ts C_ts`` in [-2, 0] with cosine costs C and the plan P of entropic
    optimal transport that moves no frame by more than a share of the time (TemporalOT's temporal mask).

    Times the number of frames T, so that a score does not shrink with the episode's length. Of
    several demonstrations, the one that is nearest to the whole episode counts. With ``aligned``
    the representation minimizes ``softplus(10 (cost(preferred) - cost(other)))``, the costs of
    moving either onto a third episode (RAPL's preference loss).

    Args:
        seed: random seed of the weights and the sampling order.
        num_demonstrations: kept of each sentence, the successes that are given first.
        num_context_frames: frames from a frame on that are compared with it.
        band: largest share of the time by which a frame is moved.
        epsilon: weight of the plan's entropy.
        sinkhorn_iters: iterations of Sinkhorn's algorithm.
        aligned: learn the representation from pairs of episodes of different outcome (RAPL).
        steps: gradient steps of it.
        batch_size: triplets a step.
        embedding_dim: entries of the representation.
    """

    spec: ClassVar[RewardSpec] = RewardSpec(
        name="temporal_ot",
        low=-MAX_COST,
        high=0.0,
        context=None,
        causal=False,
        needs_goal_image=False,
        predicts_success=False,
        paper="TemporalOT, arXiv:2410.21795; RAPL, arXiv:2310.07932",
        shaping="raw",
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
        super().__init__("temporal_ot", seed, steps)
        counts = (num_demonstrations, num_context_frames, sinkhorn_iters, batch_size, embedding_dim)
        if min(counts) < 1:
            raise InvalidInputError(
                "temporal_ot: expected num_demonstrations, num_context_frames, sinkhorn_iters, "
                f"batch_size and embedding_dim of at least 1; got {counts}."
            )
        if not (0 < band <= 1 and 0 < epsilon < np.inf):
            raise InvalidInputError(
                "temporal_ot: expected band in (0, 1] and epsilon above 0; "
                f"got {band} and {epsilon}."
            )

        self._num_demonstrations = num_demonstrations
        self._num_context_frames = num_context_frames
        self._band = band
        self._epsilon = epsilon
        self._sinkhorn_iters = sinkhorn_iters
        self._aligned = aligned
        self._batch_size = batch_size
        self._embedding_dim = embedding_dim
        self._texts = list[Tensor]()
        self._videos = list[Tensor]()

    def build(self, feature_dim: int, text_dim: int) -> Representation:
        """The representation of frames (D,), untrained; without alignment it is the frame
        itself."""
        return Representation(feature_dim, self._embedding_dim if self._aligned else None)

    def fit(
        self, examples: Sequence[Example], validation: Sequence[Example], report: Report
    ) -> None:
        """Keep demonstrations, and align the representation where asked.

        Raises:
            InvalidInputError: no success; or, to align, no two episodes of a sentence of different
                outcome.
        """
        successes = [example for example in examples if example.success is not False]
        if not successes:
            raise InvalidInputError(
                "temporal_ot: expected at least one success to be moved onto; got none."
            )

        if self._aligned:
            triplets = preference_triplets(examples)
            self.minimize(examples, lambda rng: self._loss(examples, triplets, rng), report)
        else:
            feature_dim = successes[0].features.shape[1]
            text_dim = len(successes[0].text_embedding)
            self.make_network(feature_dim, text_dim)

        self._texts = list[Tensor]()
        self._videos = list[Tensor]()
        for group in by_instruction(successes).values():
            for example in group[: self._num_demonstrations]:
                # Copies: the examples' arrays may be read-only maps of files that are moved later.
                self._texts.append(torch.as_tensor(example.text_embedding.copy()))
                self._videos.append(torch.as_tensor(example.features.copy()))

    def score_step(self, queries: Sequence[Query]) -> tuple[list[Scores], list[RecurrentState]]:
        """Score whole episodes; nothing is remembered."""
        with torch.inference_mode():
            values = [self._score(query) for query in queries]

        scores: list[Scores] = []
        for value in values:
            valid = np.ones(len(value), np.bool_)
            scores.append(Scores(value, valid))

        states: list[RecurrentState] = [{} for _ in queries]
        return scores, states

    def state_dict(self) -> Mapping[str, NDArray[Any]]:
        """The weights and the demonstrations."""
        arrays = dict(super().state_dict())
        arrays[TEXT_ARRAY] = torch.stack(self._texts).numpy()
        for index, video in enumerate(self._videos):
            arrays[f"{PREFIX}{index}"] = video.numpy()
        return arrays

    def load_state_dict(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over saved weights and demonstrations."""
        weights = dict(arrays)
        videos: dict[str, NDArray[Any]] = {}
        for name in arrays:
            if name.startswith(PREFIX):
                videos[name] = weights.pop(name)
        texts = videos.pop(TEXT_ARRAY, np.zeros((0, 0), np.float32))
        super().load_state_dict(weights)

        names = [f"{PREFIX}{index}" for index in range(len(texts))]
        fits = len(names) > 0 and set(names) == set(videos) and _is_table(texts)
        for video in videos.values():
            fits = fits and _is_table(video) and video.shape[1] == self._shape[0]
        if not fits:
            raise CorruptFileError(
                "temporal_ot: the saved demonstrations do not fit; expected (T, D) and a text for "
                "each."
            )

        self._texts = [torch.as_tensor(np.array(text)) for text in texts]
        self._videos = [torch.as_tensor(np.array(videos[name])) for name in names]

    def _score(self, query: Query) -> NDArray[np.float32]:
        """Scores (T,) of a whole episode."""
        sentence = torch.as_tensor(query.text_embedding.copy())
        similarity = torch.stack([text @ sentence for text in self._texts])
        # All demonstrations of the nearest sentence: each of them has a row of its text.
        threshold = similarity.max() - SAME_SENTENCE_TOLERANCE
        nearest = np.flatnonzero((similarity >= threshold).numpy())

        video = self.network(torch.as_tensor(query.features.copy()))
        costs: list[Tensor] = []
        for index in nearest:
            demonstration = self._videos[int(index)]
            frame_costs = self._frame_costs(video, demonstration)
            costs.append(frame_costs)

        least = min(costs, key=lambda cost: float(cost.mean()))
        return -least.clamp(0.0, MAX_COST).numpy()

    def _frame_costs(self, video: Tensor, demonstration: Tensor) -> Tensor:
        """What moving each frame onto a demonstration costs, shape (T,)."""
        target = self.network(demonstration)
        cost = cosine_costs(video, target, self._num_context_frames)
        plan = transport_plan(cost, self._band, self._epsilon, self._sinkhorn_iters)

        # A row of the plan carries 1 / T: times T, a cost does not shrink with the length.
        cost_share = (plan * cost).sum(1)
        return cost_share * len(cost)

    def _loss(
        self,
        examples: Sequence[Example],
        triplets: Sequence[PreferenceTriplet],
        rng: np.random.Generator,
    ) -> Tensor:
        """Cross-entropy of which of two episodes costs less to be moved onto a third."""
        gaps: list[Tensor] = []
        for row in rng.integers(len(triplets), size=self._batch_size):
            triplet = triplets[int(row)]
            target = int(rng.choice(triplet.references))

            reference = self._embed_evenly(examples[target])
            better = self._embed_evenly(examples[triplet.better])
            worse = self._embed_evenly(examples[triplet.worse])

            near = self._alignment_cost(better, reference)
            far = self._alignment_cost(worse, reference)
            gaps.append(far - near)

        logits = torch.stack(gaps) * ALIGN_LOGIT_SCALE
        return functional.softplus(-logits).mean()

    def _embed_evenly(self, example: Example) -> Tensor:
        """An episode's representation at `ALIGN_FRAMES` moments, so that costs compare."""
        indices = evenly_spaced(np.arange(len(example.features)), ALIGN_FRAMES)
        return self.network(torch.as_tensor(example.features[indices]))

    def _alignment_cost(self, video: Tensor, reference: Tensor) -> Tensor:
        """Cost of moving one embedded episode onto another, a scalar."""
        cost = cosine_costs(video, reference, self._num_context_frames)
        epsilon = self._epsilon * ALIGN_ENTROPY_FACTOR
        plan = transport_plan(cost, self._band, epsilon, ALIGN_SINKHORN_ITERS)
        return (plan * cost).sum()


class Representation(nn.Module):
    """Frames (T, D) as they are, or in fewer entries that are learned."""

    def __init__(self, feature_dim: int, embedding_dim: int | None) -> None:
        super().__init__()
        self.layer = nn.Identity()
        if embedding_dim is not None:
            self.layer = nn.Linear(feature_dim, embedding_dim, bias=False)

    def forward(self, frames: Tensor) -> Tensor:
        """Vectors (T, embedding_dim)."""
        return self.layer(frames)


@dataclass(frozen=True, slots=True)
class PreferenceTriplet:
    """Episodes of one sentence, by their positions.

    Attributes:
        better: one that ends further on.
        worse: one that does not.
        references: the successes that both may be moved onto, without the better one itself.
    """

    better: int
    worse: int
    references: tuple[int, ...]


def preference_triplets(
    examples: Sequence[Example], min_gap: float = MIN_PROGRESS_GAP
) -> list[PreferenceTriplet]:
    """Pairs of one sentence, the better one further in the end, and the other successes of it.

    Raises:
        InvalidInputError: there are none.
    """
    final = [_final_progress(example) for example in examples]
    groups: dict[str, list[int]] = {}
    for index, example in enumerate(examples):
        groups.setdefault(example.instruction, []).append(index)

    triplets: list[PreferenceTriplet] = []
    for group in groups.values():
        successes = [index for index in group if examples[index].success is not False]
        for better in group:
            # Onto itself the better one would cost nothing.
            references = tuple(index for index in successes if index != better)
            worse = [index for index in group if final[better] - final[index] >= min_gap]
            if references:
                triplets += [PreferenceTriplet(better, index, references) for index in worse]

    if not triplets:
        num_successes = sum(example.success is not False for example in examples)
        raise InvalidInputError(
            "temporal_ot: to align the representation, expected two successes and a failure of one "
            f"sentence; got {num_successes} successes of {len(examples)} episodes."
        )
    return triplets


def _final_progress(example: Example) -> float:
    """Progress at the end; 1 for a success, 0 where nobody knows."""
    if example.success:
        return 1.0
    return float(np.nan_to_num(progress_labels(example)[-1]))


def _is_table(array: NDArray[Any]) -> bool:
    """Whether these are one or more rows of float32."""
    return array.dtype == np.float32 and array.ndim == 2 and len(array) > 0
