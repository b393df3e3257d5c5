"""What every shaping remembers of each environment, and the protocol they share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from roborew.errors import InvalidInputError, InvalidScoreError
from roborew.types import BoolArray, FloatArray

Rewards = NDArray[np.float64]
"""What the agents get, shape (N,), float64: one entry per environment."""


@dataclass(frozen=True, slots=True)
class ShapingState:
    """The last valid score of N episodes. Never changed in place, so it may be kept as a snapshot.

    Attributes:
        score: shape (N,), float64, the last valid score; 0 and meaningless where ``seen`` is False.
        seen: shape (N,), bool, whether this episode had a valid score yet.
        since: shape (N,), int64, environment steps since that score; 0 right after it.
    """

    score: NDArray[np.float64]
    seen: BoolArray
    since: NDArray[np.int64]

    @classmethod
    def start(cls, score: FloatArray, valid: BoolArray) -> Self:
        """Begin N episodes with the scores of their first frames, both of shape (N,).

        Raises:
            InvalidInputError: not one-dimensional, or of different shapes.
            InvalidScoreError: a score marked valid is NaN or infinite.
        """
        check_scores(score, valid, np.shape(valid))
        return cls(
            np.where(valid, score, 0.0).astype(np.float64),
            valid.copy(),
            np.zeros(len(valid), np.int64),
        )

    def restart(self, mask: BoolArray, score: FloatArray, valid: BoolArray) -> Self:
        """Begin a new episode where ``mask`` is True, leave the other episodes as they are; all
        shapes (N,)."""
        fresh = type(self).start(score, valid & mask)
        check_scores(score, valid & mask, self.seen.shape)
        return type(self)(
            np.where(mask, fresh.score, self.score),
            np.where(mask, fresh.seen, self.seen),
            np.where(mask, fresh.since, self.since),
        )

    def advance(self, score: FloatArray, valid: BoolArray) -> Self:
        """Return the state after one environment step: a valid score replaces the last one, both of
        shape (N,)."""
        return type(self)(
            np.where(valid, score, self.score),
            self.seen | valid,
            np.where(valid, 0, self.since + 1).astype(np.int64),
        )

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return the arrays by name, for a checkpoint; ``ShapingState(**arrays)`` reads them
        back."""
        return {"score": self.score, "seen": self.seen, "since": self.since}


@runtime_checkable
class Shaping(Protocol):
    """A law that turns successive scores into rewards."""

    def step(
        self, state: ShapingState, score: FloatArray, valid: BoolArray, terminated: BoolArray
    ) -> tuple[Rewards, ShapingState]:
        """Pay one environment step of N episodes and return the state after it.

        Args:
            state: of the same N episodes, from `ShapingState.start` or the step before.
            score: shape (N,), float32, of the frame after the action; ignored where ``valid`` is
                False.
            valid: shape (N,), bool, False where nothing was scored or the model abstained.
            terminated: shape (N,), bool, TRUE ends only; a time limit is a truncation and stays
                False.

        Returns:
            Finite rewards of shape (N,), float64, and the new state. Where an episode ended the new
            state is spent: call `ShapingState.restart` before the next step.

        Raises:
            InvalidInputError: a shape differs from the state's.
            InvalidScoreError: a score marked valid is NaN or infinite.
        """
        ...


def check_scores(score: FloatArray, valid: BoolArray, shape: tuple[int, ...]) -> None:
    """Raise unless ``score`` and ``valid`` have the one-dimensional ``shape`` and every valid score
    is finite."""
    if len(shape) != 1 or score.shape != shape or valid.shape != shape or valid.dtype != np.bool_:
        raise InvalidInputError(
            f"shaping: expected score and bool valid of one shape (N,) = {shape}; "
            f"got {score.shape} and {valid.dtype} {valid.shape}."
        )
    if not np.isfinite(score[valid]).all():
        raise InvalidScoreError(
            "shaping: a score marked valid is NaN or infinite; mark it invalid instead."
        )


def check_scale(scale: float) -> None:
    """Raise unless ``scale`` is finite and positive: zero teaches nothing, a negative one rewards
    failing."""
    if not (math.isfinite(scale) and scale > 0):
        raise InvalidInputError(f"shaping: expected a finite scale above 0; got {scale}.")
