"""Objectives whose score is minus the distance to the goal in an embedding that they learn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from roborew.critics.torch_objective import SHAPE, PerFrameObjective
from roborew.errors import CorruptFileError, InvalidInputError
from roborew.learning.examples import Example, by_instruction

MAX_DISTANCE = 2.0
"""Distances are clipped at twice the mean distance from a first frame to the goal."""
MIN_UNIT = 1e-6
"""Smallest unit of distance: demonstrations may begin at their goal."""
GOAL_ARRAYS = ("goal/text", "goal/vector", "goal/unit")


class GoalDistance(PerFrameObjective[nn.Module]):
    """``score = -min(|f(frame) - f(goal)| / unit, 2)``: about -1 at the start and 0 at the goal.

    The reward of XIRL (arXiv:2106.03911, section 3.2) with ``unit = mean |f(first) - f(goal)|``.
    The goal is the picture that is given with a query. Where none is, it is the mean of the
    embedded last frames of the successes under the fitted sentence that is nearest to the query's;
    nothing else is read of sentences.

    Args:
        name: of the objective, for messages.
        seed: random seed of the weights and the sampling order.
        steps: gradient steps.
        embedding_dim: entries of the learned embedding.
    """

    def __init__(self, name: str, seed: int, steps: int, embedding_dim: int) -> None:
        super().__init__(name, seed, steps)
        if embedding_dim < 1:
            raise InvalidInputError(
                f"{name}: expected an embedding_dim of at least 1; got {embedding_dim}."
            )

        self._embedding_dim = embedding_dim
        self._goals = {name: torch.zeros(0) for name in GOAL_ARRAYS}

    def build(self, feature_dim: int, text_dim: int) -> nn.Module:
        """The embedding of frames (D,), untrained; sentences are not read."""
        return embedding_network(feature_dim, self._embedding_dim)

    def successes(self, examples: Sequence[Example]) -> list[Example]:
        """The examples that are not known to fail.

        Raises:
            InvalidInputError: there are none.
        """
        successes = [example for example in examples if example.success is not False]
        if not successes:
            raise InvalidInputError(
                f"{self._name}: expected at least one success to learn from; got none."
            )
        return successes

    def fit_goals(self, examples: Sequence[Example]) -> None:
        """Keep each sentence's goal in the embedding, and the mean distance to it from a first
        frame as the unit."""
        groups = by_instruction(examples).values()
        # One target for all: successes may end in slightly different places.
        self.keep_goals((group, self._embed_frames(group, -1).mean(0)) for group in groups)

    def keep_goals(self, goals: Iterable[tuple[Sequence[Example], Tensor]]) -> None:
        """Keep goals (W,), each of the examples of one sentence, and the mean distance to it from their
        first frames as the unit."""
        texts, vectors, units = list[Tensor](), list[Tensor](), list[Tensor]()
        for group, goal in goals:
            distances = _row_norms(self._embed_frames(group, 0) - goal)
            texts.append(torch.as_tensor(group[0].text_embedding.copy()))
            vectors.append(goal)
            units.append(distances.mean().clamp(min=MIN_UNIT))

        stacked = [torch.stack(rows) for rows in (texts, vectors, units)]
        self._goals = dict(zip(GOAL_ARRAYS, stacked, strict=True))

    def predict(self, frames: Tensor, text: Tensor, goal: Tensor) -> tuple[Tensor, Tensor | None]:
        """Minus the distances to the goal, in units of the distance from a first frame."""
        texts, vectors, units = (self._goals[name] for name in GOAL_ARRAYS)
        # Fitted sentences may be worded otherwise: the nearest one's goal and unit are taken.
        similarity = text @ texts.T
        nearest = similarity.argmax(1)

        pictured = self.network(goal.nan_to_num())
        has_picture = goal.isfinite().all(1)
        target = torch.where(has_picture[:, None], pictured, vectors[nearest])

        embedded = self.network(frames)
        distance = _row_norms(embedded - target) / units[nearest]
        # Far from the goal the embedding has learned nothing; a clipped score promises a range.
        return -distance.clamp(max=MAX_DISTANCE), None

    def state_dict(self) -> Mapping[str, NDArray[Any]]:
        """The weights, and the goals."""
        arrays = dict(super().state_dict())
        for name, goal in self._goals.items():
            arrays[name] = goal.numpy()
        return arrays

    def load_state_dict(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over saved weights and goals."""
        weights = dict(arrays)
        goals = {name: weights.pop(name, None) for name in GOAL_ARRAYS}
        super().load_state_dict(weights)

        units = goals["goal/unit"]
        count = 0 if units is None else len(units)
        text_dim = int(arrays[SHAPE][1])
        shapes = ((count, text_dim), (count, self._embedding_dim), (count,))
        for (name, goal), shape in zip(goals.items(), shapes, strict=True):
            fits = goal is not None and goal.shape == shape and goal.dtype == np.float32
            if not fits or count == 0:
                raise CorruptFileError(
                    f"{self._name}: expected {name!r} of shape {shape}, at least one goal, float32."
                )

        self._goals = {name: torch.as_tensor(np.array(goal)) for name, goal in goals.items()}

    def _embed_frames(self, examples: Sequence[Example], index: int) -> Tensor:
        """The frame at an index of each example, embedded, (len(examples), embedding_dim)."""
        frames = np.stack([example.features[index] for example in examples])
        with torch.inference_mode():
            return self.network(torch.as_tensor(frames))


def _row_norms(vectors: Tensor) -> Tensor:
    """Lengths (N,) of vectors (N, W)."""
    # torch does not annotate what a norm is given.
    untyped = cast(Any, vectors)
    return untyped.norm(dim=1)


def embedding_network(feature_dim: int, embedding_dim: int) -> nn.Sequential:
    """Frames (..., D) to vectors (..., embedding_dim)."""
    return nn.Sequential(
        nn.LayerNorm(feature_dim),
        nn.Linear(feature_dim, 2 * embedding_dim),
        nn.GELU(),
        nn.Linear(2 * embedding_dim, embedding_dim),
    )
