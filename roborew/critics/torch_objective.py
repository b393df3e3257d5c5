"""What all objectives that fit a torch network share: when it is made, how it is kept, and its
windows of frames."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from roborew.critics.objective import Query
from roborew.errors import CorruptFileError, InvalidInputError
from roborew.learning.examples import Example, Features, Report
from roborew.learning.instructions import InstructionSampler
from roborew.learning.optim import GradientDescent, load_module_state, module_state, seeded_weights
from roborew.learning.sampling import Indices
from roborew.types import RecurrentState, Scores

SHAPE = "shape"


NetworkT = TypeVar("NetworkT", bound=nn.Module)


class TorchObjective(ABC, Generic[NetworkT]):
    """An objective with one network, made when the widths of frames and sentences are known.

    Args:
        name: of the objective, for messages.
        seed: of weights and order.
        steps: gradient steps.
    """

    def __init__(self, name: str, seed: int, steps: int) -> None:
        if steps < 1:
            raise InvalidInputError(f"{name}: expected at least one step; got {steps}.")
        self._name, self._seed, self._steps = name, seed, steps
        self._made: NetworkT | None = None
        self._shape = (0, 0)

    @abstractmethod
    def build(self, feature_dim: int, text_dim: int) -> NetworkT:
        """The network for frames (D,) and sentences (E,), untrained."""

    @property
    def network(self) -> NetworkT:
        """The network.

        Raises:
            InvalidInputError: nothing was fitted or loaded.
        """
        if self._made is None:
            raise InvalidInputError(
                f"{self._name}: nothing is learned yet; call fit or load first."
            )
        return self._made

    def minimize(
        self,
        examples: Sequence[Example],
        loss: Callable[[np.random.Generator], Tensor],
        report: Report,
    ) -> None:
        """Make a new network for the examples and go down a loss, which draws its own batches."""
        self.make_network(examples[0].features.shape[1], len(examples[0].text_embedding))
        rng, descent = (
            np.random.default_rng(self._seed),
            GradientDescent(self.network.parameters(), self._steps, rate=2e-3),
        )
        self.network.train()
        for step in range(self._steps):
            value = descent.step(loss(rng))
            if step % 20 == 0 or step == self._steps - 1:
                report("loss", value)
                report(f"steps, of {self._steps}", step + 1)
        self.network.eval()

    def state_dict(self) -> Mapping[str, NDArray[Any]]:
        """The weights, and the widths that they are for."""
        return module_state(self.network) | {SHAPE: np.array(self._shape, np.int64)}

    def load_state_dict(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over saved weights."""
        shape = arrays.get(SHAPE, np.zeros(0, np.int64))
        if (
            shape.shape != (2,)
            or shape.dtype != np.int64
            or not ((shape > 0) & (shape < 1 << 16)).all()
        ):
            raise CorruptFileError(
                f"{self._name}: expected {SHAPE!r}, two whole numbers (D, E); got {shape.tolist()}."
            )
        self.make_network(int(shape[0]), int(shape[1]))
        load_module_state(
            self.network, {key: array for key, array in arrays.items() if key != SHAPE}, self._name
        )

    def make_network(self, features: int, text: int) -> None:
        self._shape = (features, text)
        with seeded_weights(self._seed):
            self._made = self.build(features, text).eval()


class PackedEpisodes:
    """All frames of all examples in one tensor, so that a batch is one indexing; the examples' own
    arrays stay as they are.

    Args:
        examples: at least one, all of one width.

    Attributes:
        frames: shape (N, D), float32.
        text: shape (R, E), float32: the episodes' sentences, then the others of
            `roborew.learning.instructions`.
        sentences: which rows of ``text`` an episode may be shown under.
        start: of each episode in ``frames``, shape (episodes,).
        length: of each episode, shape (episodes,).
    """

    def __init__(self, examples: Sequence[Example]) -> None:
        if not examples:
            raise InvalidInputError("fit: expected at least one demonstration; got none.")
        self.frames = torch.as_tensor(np.concatenate([example.features for example in examples]))
        self.instructions = InstructionSampler(examples)
        self.text = torch.as_tensor(self.instructions.embeddings)
        self.lengths = np.array([len(example.features) for example in examples])
        self.starts = np.cumsum([0, *self.lengths[:-1]])


@dataclass(frozen=True, slots=True)
class CausalWindows:
    """What is read with each new frame of several episodes: the episode's first frame and the last
    ones up to it.

    Attributes:
        frames: shape (N, K, D), float32, filled up on the right with the new frame itself, which a
            causal network that is read at ``places`` never sees.
        text: shape (N, E), float32.
        places: where in its window each new frame stands, shape (N,).
        lengths: new frames of each episode; they sum to N.
        memories: of each episode, for the windows of the frames after these.
    """

    frames: Tensor
    text: Tensor
    last: Tensor
    lengths: tuple[int, ...]
    states: tuple[RecurrentState, ...]

    def scores(self, value: Tensor, success: Tensor | None = None) -> list[Scores]:
        """Values (N,) as scores of each episode."""
        bounds = np.cumsum(self.lengths)[:-1]
        values = np.split(value.numpy(), bounds)
        claims = [None] * len(values) if success is None else np.split(success.numpy(), bounds)
        return [
            Scores(v, np.ones(len(v), np.bool_), claim)
            for v, claim in zip(values, claims, strict=True)
        ]


def causal_windows(queries: Sequence[Query], size: int) -> CausalWindows:
    """The windows of ``size`` >= 2 frames of all new frames of at least one query."""
    parts, texts, places, memories = (
        list[Features](),
        list[Features](),
        list[Indices](),
        list[RecurrentState](),
    )
    for query in queries:
        known = np.concatenate([query.state.get("frames", query.features[:0]), query.features])
        positions, place = window_indices(
            len(query.features), len(known) - len(query.features), size
        )
        parts.append(known[positions])
        texts.append(np.repeat(query.text_embedding[None], len(place), axis=0))
        places.append(place)
        memories.append({"frames": window_state(known, size)})
    return CausalWindows(
        torch.as_tensor(np.concatenate(parts)),
        torch.as_tensor(np.concatenate(texts)),
        torch.as_tensor(np.concatenate(places)),
        tuple(len(place) for place in places),
        tuple(memories),
    )


def window_indices(count: int, known: int, size: int) -> tuple[Indices, Indices]:
    """Positions in [remembered, new] of the windows of the new frames, and where in them the new
    frames stand.

    >>> [each.tolist() for each in window_positions(2, 2, 3)]
    [[[0, 1, 2], [0, 2, 3]], [2, 2]]
    """
    at = np.arange(known, known + count)[:, None]
    positions = np.minimum(np.maximum(at - size + 1, 0) + np.arange(size), at)
    positions[:, 0] = 0
    return positions, np.minimum(at[:, 0], size - 1)


def window_state(frames: Features, size: int) -> Features:
    """What of an episode's frames the windows after them may still need: the first, and the last
    ``size - 2``."""
    return (
        frames
        if len(frames) < size
        else np.concatenate([frames[:1], frames[len(frames) - size + 2 :]])
    )


class PerFrameObjective(TorchObjective[NetworkT]):
    """A network that reads single frames under a sentence, all those asked about in one batch."""

    @abstractmethod
    def predict(self, frames: Tensor, text: Tensor, goal: Tensor) -> tuple[Tensor, Tensor | None]:
        """Scores (N,), and probabilities of success (N,) or None, of frames (N, D) under sentences
        (N, E).

        Args:
            frames: shape (N, D).
            text: shape (N, E).
            goal: pictures of the goal, shape (N, D), NaN where none was given.
        """

    def score_step(self, queries: Sequence[Query]) -> tuple[list[Scores], list[RecurrentState]]:
        """Score each frame by itself; nothing is remembered."""
        lengths = [len(query.features) for query in queries]
        frames = torch.as_tensor(np.concatenate([query.features for query in queries]))
        text = np.repeat(np.stack([query.text_embedding for query in queries]), lengths, axis=0)
        nothing = np.full(frames.shape[1], np.nan, np.float32)
        goal = np.stack(
            [nothing if query.goal_image is None else query.goal_image for query in queries]
        )
        with torch.inference_mode():
            value, success = self.predict(
                frames, torch.as_tensor(text), torch.as_tensor(np.repeat(goal, lengths, axis=0))
            )
        bounds = np.cumsum(lengths)[:-1]
        values = np.split(value.numpy(), bounds)
        claims = [None] * len(values) if success is None else np.split(success.numpy(), bounds)
        pairs = zip(values, claims, strict=True)
        return [Scores(v, np.ones(len(v), np.bool_), claim) for v, claim in pairs], [
            {} for _ in queries
        ]
