"""The bookkeeping of N episodes: which steps are scored, what they pay, which episodes a claim
ends."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roborew.errors import InvalidInputError
from roborew.shaping import Rewards, Shaping, ShapingState
from roborew.types import BoolArray, FloatArray, Scores


@dataclass(frozen=True, slots=True, kw_only=True)
class SuccessDetector:
    """A model's word that the goal is reached: it pays once and ends the episode.

    The claim is what agents learn to exploit, so report how often it is false.

    Attributes:
        threshold: smallest `Scores.success` that counts as a claim, in (0, 1].
        bonus: reward paid at the claim, finite and at least 0.
    """

    threshold: float = 0.9
    bonus: float = 4.0

    def __post_init__(self) -> None:
        if not 0 < self.threshold <= 1:
            raise InvalidInputError(f"claim: expected a threshold in (0, 1]; got {self.threshold}.")
        if not (math.isfinite(self.bonus) and self.bonus >= 0):
            raise InvalidInputError(
                f"claim: expected a finite bonus of at least 0; got {self.bonus}."
            )


@dataclass(frozen=True, slots=True)
class StepMasks:
    """One step or reset of N environments, as far as it is known before anything is scored; shape
    (N,), bool.

    Attributes:
        step: whether this is a step, of which some environments may have spent theirs on a reset.
        acted: took an action; False at a reset.
        begun: show the first frame of a new episode.
        scored: are to be scored now.
        terminated: true ends, of those that acted.
    """

    step: bool
    acted: BoolArray
    begun: BoolArray
    scored: BoolArray
    terminated: BoolArray


@dataclass(frozen=True, slots=True)
class FrameScores:
    """What was said of N environments, all of shape (N,): score, whether it is one, probability of
    success."""

    score: FloatArray
    valid: BoolArray
    success: FloatArray


@dataclass(frozen=True, slots=True)
class StepRewards:
    """What N environments get for one step, all of shape (N,).

    Attributes:
        rewards: float64, 0 where nothing was scored.
        score: float32, NaN where nothing was scored or the model abstained.
        valid: bool, False there.
        claimed: bool, the model's claim that ended the episode.
    """

    rewards: Rewards
    score: FloatArray
    valid: BoolArray
    terminated_by_success_detector: BoolArray

    def infos(self) -> dict[str, NDArray[Any]]:
        """Return the entries for a vector environment's infos, each with Gymnasium's mask."""
        entries = {
            "score": self.score,
            "score_valid": self.valid,
            "terminated_by_success_detector": self.terminated_by_success_detector,
        }
        return entries | {f"_{key}": np.ones_like(self.valid) for key in entries}


class EpisodeTracker:
    """Keeps count of N episodes.

    An environment is scored at the start of an episode (its first potential), at every ``every``-th
    of its steps and at its last. Unscored steps pay nothing of their own; a telescoping shaping
    pays their gain at the next score.

    Attributes:
        ended: shape (N,), bool, the episode is over and the next frame is to be the first of a new
            one.
    """

    def __init__(
        self,
        num_envs: int,
        shaping: Shaping,
        score_every: int,
        success_detector: SuccessDetector | None,
    ) -> None:
        if score_every < 1:
            raise InvalidInputError(
                f"score_every: expected a whole number of at least 1; got {score_every}."
            )
        self.ended = np.ones(num_envs, dtype=np.bool_)
        self._shaping, self._every, self._claim = shaping, score_every, success_detector
        self._steps = np.zeros(num_envs, dtype=np.int64)
        nothing = np.zeros(num_envs, dtype=np.bool_)
        self._state = ShapingState.start(np.zeros(num_envs, dtype=np.float32), nothing)

    def restart(self, begun: BoolArray) -> StepMasks:
        """Begin episodes where ``begun``, shape (N,), is True; nobody acts."""
        self._steps[begun] = 0
        self.ended = self.ended & ~begun
        nobody = np.zeros_like(begun)
        return StepMasks(False, nobody, begun.copy(), begun.copy(), nobody)

    def advance(self, terminated: BoolArray, truncated: BoolArray) -> StepMasks:
        """Count one step, both arguments of shape (N,); an episode that had ended begins anew
        instead of acting."""
        begun, acted = self.ended, ~self.ended
        self._steps = np.where(begun, 0, self._steps + 1)
        self.ended = acted & (terminated | truncated)
        due = acted & (self.ended | (self._steps % self._every == 0))
        return StepMasks(True, acted, begun, due | begun, acted & terminated)

    def pay(self, row: StepMasks, labels: FrameScores) -> StepRewards:
        """Turn the labels of a row into rewards; rows must be paid in the order they were made."""
        valid = labels.valid & row.scored
        claimed = np.zeros_like(valid)
        if self._claim is not None:
            claimed = valid & row.acted & (labels.success >= self._claim.threshold)
        rewards, state = self._shaping.step(
            self._state, labels.score, valid & row.acted, row.terminated | claimed
        )
        rewards[~row.acted] = 0.0
        if self._claim is not None:
            rewards[claimed] += self._claim.bonus
        self._state = state.restart(row.begun, labels.score, valid)
        self.ended = self.ended | claimed
        score = np.where(valid, labels.score, np.nan).astype(np.float32)
        return StepRewards(rewards, score, valid, claimed)

    def pay_episodes(self, row: StepMasks, said: Mapping[int, Scores]) -> StepRewards:
        """Turn the scores of whole episodes that end with a row into rewards of their last steps.

        Args:
            row: the step.
            said: by environment, what was said of each frame of its episode that was scored.
        """
        count = len(row.acted)
        rewards, score = np.zeros(count), np.full(count, np.nan, np.float32)
        valid = np.zeros(count, np.bool_)
        for env, scores in said.items():
            rewards[env] = self._whole(int(self._steps[env]), scores, bool(row.terminated[env]))
            score[env], valid[env] = (
                np.where(scores.valid[-1], scores.value[-1], np.nan),
                scores.valid[-1],
            )
        return StepRewards(rewards, score, valid, np.zeros(count, np.bool_))

    def _whole(self, steps: int, scores: Scores, terminated: bool) -> float:
        """The sum of what the steps of an episode are worth, each paid by the shaping as if it had
        been scored then."""
        at = np.arange(steps + 1)
        scored = (at % self._every == 0) | (at == steps)
        value, valid = np.zeros((steps + 1, 1), np.float32), np.zeros((steps + 1, 1), np.bool_)
        value[scored, 0], valid[scored, 0] = scores.value, scores.valid
        state, total = ShapingState.start(value[0], valid[0]), 0.0
        for step in range(1, steps + 1):
            paid, state = self._shaping.step(
                state, value[step], valid[step], np.array([terminated and step == steps])
            )
            total += float(paid[0])
        return total

    def get_state(self) -> dict[str, NDArray[Any]]:
        """Return everything `set_state` needs."""
        return {"steps": self._steps.copy(), "ended": self.ended.copy()} | self._state.arrays()

    def set_state(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take over what `get_state` returned."""
        self._steps, self.ended = arrays["steps"].copy(), arrays["ended"].copy()
        self._state = ShapingState(arrays["score"], arrays["seen"], arrays["since"])
