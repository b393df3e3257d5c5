"""What all objectives that fit a torch network share: when it is made, how it is fitted and how it
is kept."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from roborew.critics.objective import Query, split_scores
from roborew.errors import CorruptFileError, InvalidInputError
from roborew.learning.examples import Example, Features, Report
from roborew.learning.optim import GradientDescent, seeded_weights
from roborew.learning.state import load_module_state, module_state, take_array
from roborew.types import RecurrentState, Scores

SHAPE = "shape"
"""Key of the widths (D, E) among the saved arrays."""
LEARNING_RATE = 2e-3
REPORT_INTERVAL = 20
"""Gradient steps from one report to the next."""
MAX_WIDTH = 1 << 16
"""A saved width beyond this is no width: a damaged file must not ask for all memory."""

NetworkT = TypeVar("NetworkT", bound=nn.Module)


class TorchObjective(ABC, Generic[NetworkT]):
    """An objective with one network, made when the widths of frames and sentences are known.

    Args:
        name: of the objective, for messages.
        seed: random seed of the weights and of the sampling.
        steps: gradient steps.
    """

    def __init__(self, name: str, seed: int, steps: int) -> None:
        if steps < 1:
            raise InvalidInputError(f"{name}: expected at least one step; got {steps}.")
        self._name = name
        self._seed = seed
        self._steps = steps
        self._network: NetworkT | None = None
        self._shape = (0, 0)
        self._loaded: Mapping[str, NDArray[Any]] = {}

    @abstractmethod
    def build(self, feature_dim: int, text_dim: int) -> NetworkT:
        """Return the network for frames (D,) and sentences (E,), untrained."""

    @property
    def network(self) -> NetworkT:
        """The network.

        Raises:
            InvalidInputError: nothing was fitted or loaded.
        """
        if self._network is None:
            raise InvalidInputError(
                f"{self._name}: nothing is learned yet; call fit or load_state_dict first."
            )
        return self._network

    def minimize(
        self,
        examples: Sequence[Example],
        loss: Callable[[np.random.Generator], Tensor],
        report: Report,
    ) -> None:
        """Make a new network for the examples, with the weights that were loaded, if any were, and go
        down a loss, which draws its own batches."""
        features_dim = examples[0].features.shape[1]
        text_dim = len(examples[0].text_embedding)
        self.make_network(features_dim, text_dim)
        if self._loaded:
            load_module_state(self.network, self._loaded, self._name)
        rng = np.random.default_rng(self._seed)
        descent = GradientDescent(self.network.parameters(), self._steps, rate=LEARNING_RATE)
        self.network.train()
        for step in range(self._steps):
            value = descent.step(loss(rng))
            if step % REPORT_INTERVAL == 0 or step == self._steps - 1:
                report("loss", value)
                report(f"steps, of {self._steps}", step + 1)
        self.network.eval()

    def state_dict(self) -> Mapping[str, NDArray[Any]]:
        """Return the weights, and the widths that they are for."""
        return module_state(self.network) | {SHAPE: np.array(self._shape, np.int64)}

    def load_state_dict(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over saved weights."""
        shape = take_array(arrays, SHAPE, (2,), np.int64, self._name)
        in_range = (shape > 0) & (shape < MAX_WIDTH)
        if not in_range.all():
            raise CorruptFileError(
                f"{self._name}: expected {SHAPE!r}, two widths (D, E) from 1 to {MAX_WIDTH - 1}; "
                f"got {shape.tolist()}."
            )
        features_dim, text_dim = shape.tolist()
        self.make_network(features_dim, text_dim)
        weights = {name: array for name, array in arrays.items() if name != SHAPE}
        load_module_state(self.network, weights, self._name)
        self._loaded = weights

    def make_network(self, feature_dim: int, text_dim: int) -> None:
        """Make the network anew, with the weights of the seed."""
        self._shape = (feature_dim, text_dim)
        with seeded_weights(self._seed):
            self._network = self.build(feature_dim, text_dim).eval()


class PerFrameObjective(TorchObjective[NetworkT]):
    """A network that reads single frames under a sentence, those of all queries in one batch."""

    @abstractmethod
    def predict(self, frames: Tensor, text: Tensor, goal: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return scores (N,), and probabilities of success (N,) or None.

        Args:
            frames: shape (N, D).
            text: sentences, shape (N, E).
            goal: pictures of the goal, shape (N, D), NaN where none was given.
        """

    def score_step(self, queries: Sequence[Query]) -> tuple[list[Scores], list[RecurrentState]]:
        """Score each frame by itself; nothing is remembered."""
        lengths = [len(query.features) for query in queries]
        frames = np.concatenate([query.features for query in queries])
        text = [query.text_embedding for query in queries]
        goals = [_goal_or_nan(query) for query in queries]
        with torch.inference_mode():
            value, success = self.predict(
                torch.as_tensor(frames),
                _repeat_per_frame(text, lengths),
                _repeat_per_frame(goals, lengths),
            )
        chances = None if success is None else success.numpy()
        scores = split_scores(value.numpy(), lengths, chances)
        states: list[RecurrentState] = [{} for _ in queries]
        return scores, states


def _goal_or_nan(query: Query) -> Features:
    """The picture of the goal, (D,), NaN where the query has none."""
    if query.goal_image is not None:
        return query.goal_image
    # NaN, not 0: a network that reads a goal it was not given must not look as if it had one.
    feature_dim = query.features.shape[1]
    return np.full((feature_dim,), np.nan, dtype=np.float32)


def _repeat_per_frame(vectors: Sequence[Features], lengths: Sequence[int]) -> Tensor:
    """Repeat each query's vector (D,) for all of its frames, (N, D)."""
    by_query = np.stack(vectors)
    by_frame = np.repeat(by_query, lengths, axis=0)
    return torch.as_tensor(by_frame)
