"""The laws from score to reward, and what they remember of each episode."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, Self, get_args, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from roborew.errors import InvalidInputError, InvalidScoreError
from roborew.types import BoolArray, FloatArray

Rewards = NDArray[np.float64]
"""What the agents get, shape (N,), float64: one entry per environment."""
OnInvalid = Literal["skip", "hold"]


@dataclass(frozen=True, slots=True)
class ShapingState:
    """The last valid score of N episodes. Never changed in place, so it may be kept as a snapshot.

    Attributes:
        score: shape (N,), float64, the last valid score; 0 and meaningless without one.
        has_score: shape (N,), bool, whether this episode had a valid score yet.
        steps_since: shape (N,), int64, environment steps since that score; 0 right after it.
    """

    score: NDArray[np.float64]
    has_score: BoolArray
    steps_since: NDArray[np.int64]

    @classmethod
    def start(cls, score: FloatArray, valid: BoolArray) -> Self:
        """Begin N episodes with the scores of their first frames, both of shape (N,).

        Raises:
            InvalidInputError: not one-dimensional, or of different shapes.
            InvalidScoreError: a score marked valid is NaN or infinite.
        """
        check_scores(score, valid, np.shape(valid))
        # An invalid score may be NaN; the state promises 0 in its place.
        known_score = np.where(valid, score, 0.0)
        # float64: near scores are subtracted, step after step, and rounding must not add up.
        last_score = known_score.astype(np.float64)
        steps_since = np.zeros(len(valid), np.int64)
        # A copy: the caller may use its mask again, and a state never changes.
        return cls(last_score, valid.copy(), steps_since)

    def restart(self, mask: BoolArray, score: FloatArray, valid: BoolArray) -> Self:
        """Begin a new episode where ``mask`` is True, leave the other episodes as they are; all
        shapes (N,)."""
        # Episodes that go on take nothing from these scores, so theirs may be NaN.
        check_scores(score, valid & mask, self.score.shape)
        first = np.where(valid, score, 0.0).astype(np.float64)
        return type(self)(
            np.where(mask, first, self.score),
            np.where(mask, valid, self.has_score),
            np.where(mask, 0, self.steps_since),
        )

    def advance(self, score: FloatArray, valid: BoolArray) -> Self:
        """Return the state after one environment step: a valid score replaces the last one, both of
        shape (N,)."""
        return type(self)(
            np.where(valid, score, self.score),
            self.has_score | valid,
            np.where(valid, 0, self.steps_since + 1).astype(np.int64),
        )

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return the arrays by name, for a checkpoint; `from_arrays` reads them back."""
        return {
            "score": self.score,
            "has_score": self.has_score,
            "steps_since": self.steps_since,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return the state that `arrays` wrote, in this release or the one before."""
        # Checkpoints of the release before have the names "seen" and "since".
        has_score = arrays["has_score"] if "has_score" in arrays else arrays["seen"]
        steps_since = arrays["steps_since"] if "steps_since" in arrays else arrays["since"]
        return cls(arrays["score"], has_score, steps_since)


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


@dataclass(frozen=True, slots=True)
class ProgressDelta:
    """``r = scale * (p_t - p_last) + raw_coef * k * p_t``: the gain since the last valid score, k
    steps ago, and for each of these steps a share of the score itself.

    Without ``raw_coef`` the undiscounted return of an episode is ``scale * (last valid score - first
    valid score)`` whatever the path and however many steps were invalid: it telescopes. Then holding
    what was gained pays nothing, which is too little where a goal must be kept (a balance): there a
    small ``raw_coef`` adds ``raw_coef`` times the sum of the scores over all steps up to the last
    valid one, an invalid step counting as the next valid one. A large one can be farmed as
    `RawScore` is.

    An invalid step pays 0 and the next valid one pays for all. Unlike `Potential` it takes nothing
    back at a termination, and leaves the optimal policy unchanged only for an undiscounted agent
    without ``raw_coef`` (the form of VIP, arXiv:2210.00030, and VLAC, arXiv:2509.15937).

    >>> import numpy as np
    >>> yes, no = np.array([True]), np.array([False])
    >>> state = ShapingState.start(np.array([0.25], np.float32), yes)
    >>> score = np.array([0.75], np.float32)
    >>> reward, state = ProgressDelta(scale=2.0).step(state, score, yes, terminated=no)
    >>> float(reward[0])
    1.0

    Attributes:
        scale: reward for a gain of one, above 0.
        raw_coef: reward a step for a score of one, at least 0.
    """

    scale: float = 1.0
    raw_coef: float = 0.0

    def __post_init__(self) -> None:
        check_scale(self.scale)
        if not (math.isfinite(self.raw_coef) and self.raw_coef >= 0):
            raise InvalidInputError(
                f"shaping: expected a finite raw_coef of at least 0; got {self.raw_coef}."
            )

    def step(
        self, state: ShapingState, score: FloatArray, valid: BoolArray, terminated: BoolArray
    ) -> tuple[Rewards, ShapingState]:
        """Pay one step of N episodes; see `Shaping.step`."""
        check_scores(score, valid, state.score.shape)
        following = state.advance(score, valid)
        # Without an earlier score the first would be paid as a gain from a meaningless 0.
        gain = np.where(state.has_score, following.score - state.score, 0.0)
        rewards = self.scale * gain
        if self.raw_coef:
            # Weighted by steps, so that scoring every k-th step pays as much as every one.
            steps = np.where(valid, state.steps_since + 1, 0)
            rewards += self.raw_coef * steps * following.score
        return rewards, following


@dataclass(frozen=True, slots=True)
class RawScore:
    """``r = scale * p_t`` at every valid step, 0 at an invalid one. It can be farmed: prefer
    `ProgressDelta`.

    An agent earns for as long as the episode lasts, so hovering at a middling score for a whole
    episode can beat reaching the goal and ending it. It is here because published systems pay so
    (ReWiND, arXiv:2505.10911; Robometer, arXiv:2603.02115) and to be compared with.

    >>> import numpy as np
    >>> yes, no = np.array([True]), np.array([False])
    >>> score = np.array([0.5], np.float32)
    >>> state = ShapingState.start(score, yes)
    >>> reward, state = RawScore(scale=2.0).step(state, score, yes, terminated=no)
    >>> float(reward[0])
    1.0

    Attributes:
        scale: reward a step for a score of one, above 0.
    """

    scale: float = 1.0

    def __post_init__(self) -> None:
        check_scale(self.scale)

    def step(
        self, state: ShapingState, score: FloatArray, valid: BoolArray, terminated: BoolArray
    ) -> tuple[Rewards, ShapingState]:
        """Pay one step of N episodes; see `Shaping.step`."""
        check_scores(score, valid, state.score.shape)
        # Chosen, not multiplied by ``valid``: 0 times NaN is NaN.
        level = np.where(valid, score, 0.0).astype(np.float64)
        return self.scale * level, state.advance(score, valid)


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
    >>> score = np.array([1.0], np.float32)
    >>> reward, state = Potential(scale=1.0, gamma=0.5).step(state, score, yes, terminated=no)
    >>> float(reward[0])
    0.0

    Attributes:
        scale: potential of a score of one, above 0.
        gamma: the agent's own discount per environment step, in (0, 1]; with another one the proof
            is void.
        on_invalid: what an invalid step pays, ``"skip"`` or ``"hold"``.
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
                f"shaping: expected on_invalid to be 'skip' or 'hold'; got {self.on_invalid!r}."
            )

    def step(
        self, state: ShapingState, score: FloatArray, valid: BoolArray, terminated: BoolArray
    ) -> tuple[Rewards, ShapingState]:
        """Pay one step of N episodes; see `Shaping.step`."""
        check_scores(score, valid, state.score.shape)
        following = state.advance(score, valid)
        # A terminal potential is 0 by definition, so it is known without a score.
        arrived = np.where(terminated, 0.0, following.score)
        if self.on_invalid == "skip":
            # A termination settles an open gap: no later step could.
            pays = state.has_score & (valid | terminated)
            # The gap ends with this step: k = steps_since + 1, so 1 - k = -steps_since.
            left = self.gamma ** (-state.steps_since.astype(np.float64)) * state.score
        else:
            pays = state.has_score
            # Invalid and not terminated: arrived = left, which pays (gamma - 1) * Phi.
            left = state.score
        return self.scale * np.where(pays, self.gamma * arrived - left, 0.0), following


def check_scores(score: FloatArray, valid: BoolArray, shape: tuple[int, ...]) -> None:
    """Raise unless ``score`` and ``valid`` have the one-dimensional ``shape`` and every valid score
    is finite."""
    fits = len(shape) == 1 and score.shape == shape and valid.shape == shape
    # Only bool masks: integers in `score[valid]` would pick entries by number.
    if not fits or valid.dtype != np.bool_:
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
