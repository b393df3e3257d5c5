"""Objectives whose score is minus the distance to the goal in an embedding that they learn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from roborew.critics.torch_objective import SHAPE, PerFrameObjective
from roborew.errors import CorruptFileError, InvalidInputError
from roborew.learning.examples import Example

FARTHEST = 2.0
"""Distances are cut off at twice the mean distance from a first frame to the goal."""
NAMES = ("goal/text", "goal/vector", "goal/unit")


class GoalDistance(PerFrameObjective[nn.Sequential]):
    """``-|f(frame) - f(goal)| / unit``, in [-2, 0]: about -1 at the start and 0 at the goal (XIRL,
    arXiv:2106.03911).

    The goal is the picture that is given with a query. Where none is, it is the mean of the
    embedded last frames of the successes under the fitted sentence that is nearest to the one that
    is asked; nothing else is read of sentences.

    Args:
        name: of the objective, for messages.
        seed: of weights and order.
        steps: gradient steps.
        width: entries of the learned embedding.
    """

    def __init__(self, name: str, seed: int, steps: int, width: int) -> None:
        super().__init__(name, seed, steps)
        if width < 1:
            raise InvalidInputError(f"{name}: expected a width of at least 1; got {width}.")
        self._width = width
        self._goals = {key: torch.zeros(0) for key in NAMES}

    def build(self, feature_dim: int, text_dim: int) -> nn.Sequential:
        """The embedding of frames (D,), untrained; sentences are not read."""
        return embedding(feature_dim, self._width)

    def successes(self, examples: Sequence[Example]) -> list[Example]:
        """The examples that are not known to fail.

        Raises:
            InvalidInputError: there are none.
        """
        good = [example for example in examples if example.success is not False]
        if not good:
            raise InvalidInputError(
                f"{self._name}: expected at least one success to learn from; got none."
            )
        return good

    def remember(self, examples: Sequence[Example]) -> None:
        """Keep each sentence's goal in the embedding, and the mean distance to it from a first
        frame as the unit."""
        texts, vectors, units = list[Tensor](), list[Tensor](), list[Tensor]()
        with torch.inference_mode():
            for sentence in dict.fromkeys(example.instruction for example in examples):
                group = [example for example in examples if example.instruction == sentence]
                first, last = (
                    self.network(
                        torch.as_tensor(np.stack([example.features[at] for example in group]))
                    )
                    for at in (0, -1)
                )
                texts.append(torch.as_tensor(group[0].text_embedding.copy()))
                vectors.append(last.mean(0))
                units.append((first - last.mean(0)).norm(dim=1).mean().clamp(min=1e-6))
        self._goals = dict(zip(NAMES, map(torch.stack, (texts, vectors, units)), strict=True))

    def predict(self, frames: Tensor, text: Tensor, goal: Tensor) -> tuple[Tensor, Tensor | None]:
        """Minus the distances to the goal, in units of the distance from a first frame."""
        known, vectors, units = (self._goals[key] for key in NAMES)
        nearest = (text @ known.T).argmax(1)
        given = goal.isfinite().all(1)
        wanted = torch.where(given[:, None], self.network(goal.nan_to_num()), vectors[nearest])
        distance = (self.network(frames) - wanted).norm(dim=1) / units[nearest]
        return -distance.clamp(max=FARTHEST), None

    def state_dict(self) -> Mapping[str, NDArray[Any]]:
        """The weights, and the goals."""
        return dict(super().state_dict()) | {key: goal.numpy() for key, goal in self._goals.items()}

    def load_state_dict(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over saved weights and goals."""
        super().load_state_dict({key: array for key, array in arrays.items() if key not in NAMES})
        count = len(arrays.get(NAMES[2], ()))
        shapes = (count, int(arrays[SHAPE][1])), (count, self._width), (count,)
        for key, shape in zip(NAMES, shapes, strict=True):
            array = arrays.get(key)
            if array is None or array.shape != shape or array.dtype != np.float32 or not count:
                raise CorruptFileError(
                    f"{self._name}: expected {key!r} of shape {shape}, at least one goal, float32."
                )
        self._goals = {key: torch.as_tensor(np.array(arrays[key])) for key in NAMES}


def embedding(features: int, width: int) -> nn.Sequential:
    """Frames (..., D) to vectors (..., width)."""
    return nn.Sequential(
        nn.LayerNorm(features),
        nn.Linear(features, 2 * width),
        nn.GELU(),
        nn.Linear(2 * width, width),
    )
