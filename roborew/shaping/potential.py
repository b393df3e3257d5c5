"""Potential-based shaping: help on the way that cannot change where the best way leads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from roborew.errors import InvalidInputError
from roborew.shaping.state import Rewards, ShapingState, check_scale, check_scores
from roborew.types import BoolArray, FloatArray

OnInvalid = Literal["skip", "hold"]


@dataclass(frozen=True, slots=True)
class Potential:
    """``r = gamma * Phi(s') - Phi(s)`` with ``Phi = scale * score`` (Ng, Harada, Russell, ICML
    1999, theorem 1).

    The discounted return changes by a term that depends on the ends of an episode alone, so the
    optimal policy stays. That proof needs ``Phi = 0`` at a TRUE terminal state, whatever its score;
    a truncated state keeps its potential, because the agent bootstraps there.

    An invalid score is bridged in one of two exact ways, with Phi the last valid potential and k
    the steps since it:

    - ``"skip"`` pays 0 on the invalid steps and ``gamma * Phi' - gamma**(1 - k) * Phi`` on the next
      valid one. That factor grows with k, so a long gap at a small gamma pays large numbers.
    - ``"hold"`` pays ``(gamma - 1) * Phi`` on each invalid step, as if the score had stayed:
    bounded, but not zero.

    Before an episode's first valid score there is no potential to leave, and its steps pay 0.

    >>> import numpy as np
    >>> no, yes = np.array([False]), np.array([True])
    >>> state = ShapingState.start(np.array([0.5], np.float32), yes)
    >>> reward, state = Potential(scale=1.0, gamma=0.5).step(state, np.array([1.0], np.float32), yes, terminated=no)
    >>> float(reward[0])
    0.0

    Attributes:
        scale: potential of a score of one, above 0.
        gamma: the agent's own discount per environment step, in (0, 1]; with another one the proof
            is void.
        bridge: what an invalid step pays, ``"skip"`` or ``"hold"``.
    """

    scale: float
    gamma: float
    on_invalid: OnInvalid = "skip"

    def __post_init__(self) -> None:
        check_scale(self.scale)
        if not 0 < self.gamma <= 1:
            raise InvalidInputError(f"shaping: expected a discount in (0, 1]; got {self.gamma}.")
        if self.on_invalid not in get_args(OnInvalid):
            raise InvalidInputError(
                f"shaping: expected a bridge of 'skip' or 'hold'; got {self.on_invalid!r}."
            )

    def step(
        self, state: ShapingState, score: FloatArray, valid: BoolArray, terminated: BoolArray
    ) -> tuple[Rewards, ShapingState]:
        """Pay one step of N episodes; see `Shaping.step`."""
        check_scores(score, valid, state.seen.shape)
        following = state.advance(score, valid)
        arrived = np.where(
            terminated, 0.0, following.score
        )  # a terminal potential is known without a score
        if self.on_invalid == "skip":
            paid = state.seen & (valid | terminated)
            left = self.gamma ** (-state.since.astype(np.float64)) * state.score  # k = since + 1
        else:
            paid, left = state.seen, state.score
        return self.scale * np.where(paid, self.gamma * arrived - left, 0.0), following
