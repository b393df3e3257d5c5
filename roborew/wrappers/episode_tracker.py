"""The bookkeeping of N episodes: which steps are scored, what they pay, which episodes a predicted
success ends."""

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
    """A success that the model predicts pays once and ends the episode.

    Predictions are what agents learn to exploit, so report how often they are false.

    Attributes:
        threshold: smallest `Scores.success` that counts as a predicted success, in (0, 1].
        bonus: reward paid at the predicted success, finite and at least 0.
    """

    threshold: float = 0.9
    bonus: float = 4.0

    def __post_init__(self) -> None:
        if not 0 < self.threshold <= 1:
            raise InvalidInputError(
                f"success detector: expected a threshold in (0, 1]; got {self.threshold}."
            )
        if not (math.isfinite(self.bonus) and self.bonus >= 0):
            raise InvalidInputError(
                f"success detector: expected a finite bonus of at least 0; got {self.bonus}."
            )


@dataclass(frozen=True, slots=True)
class StepMasks:
    """One step or reset of N environments, before anything is scored; shape (N,), bool.

    Attributes:
        is_step: False at a reset; at a step some environments may have spent theirs on a reset.
        acted: took an action.
        begun: show the first frame of a new episode.
        scored: are to be scored now.
        terminated: true ends, of those that acted.
    """

    is_step: bool
    acted: BoolArray
    begun: BoolArray
    scored: BoolArray
    terminated: BoolArray


@dataclass(frozen=True, slots=True)
class FrameScores:
    """What a model says of N environments, all of shape (N,).

    Attributes:
        score: float32, meaningless where ``valid`` is False.
        valid: bool, False where nothing was scored or the model abstained.
        success: float32, the predicted probability of success; NaN where there is none.
    """

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
        terminated_by_success_detector: bool, a predicted success ended the episode.
    """

    rewards: Rewards
    score: FloatArray
    valid: BoolArray
    terminated_by_success_detector: BoolArray

    @classmethod
    def unknown(cls, num_envs: int) -> StepRewards:
        """Return the rewards of a step that is scored later: NaN."""
        no_env = np.zeros(num_envs, dtype=np.bool_)
        unknown = np.full(num_envs, np.nan)
        return cls(unknown, unknown.astype(np.float32), no_env, no_env)

    def infos(self) -> dict[str, NDArray[Any]]:
        """Return the entries for a vector environment's infos, each with Gymnasium's mask."""
        everywhere = np.ones_like(self.valid)
        return {
            "score": self.score,
            "_score": everywhere,
            "score_valid": self.valid,
            "_score_valid": everywhere,
            "terminated_by_success_detector": self.terminated_by_success_detector,
            "_terminated_by_success_detector": everywhere,
        }


class EpisodeTracker:
    """Keeps count of N episodes.

    An environment is scored at the start of an episode (its first potential), at every
    ``score_every``-th of its steps and at its last. Unscored steps pay nothing of their own; a
    telescoping shaping pays their gain at the next score.

    Attributes:
        ended: shape (N,), bool, the episode is over and the next frame is the first of a new one.
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
        # All ended: nobody may act before the first reset begins an episode.
        self.ended = np.ones(num_envs, dtype=np.bool_)
        self._shaping = shaping
        self._score_every = score_every
        self._detector = success_detector
        self._steps = np.zeros(num_envs, dtype=np.int64)
        unscored = np.zeros(num_envs, dtype=np.bool_)
        self._state = ShapingState.start(np.zeros(num_envs, dtype=np.float32), unscored)

    @property
    def ends_in_success(self) -> bool:
        """Whether a predicted success ends an episode."""
        return self._detector is not None

    def begin(self, begun: BoolArray) -> StepMasks:
        """Begin episodes where ``begun``, shape (N,), is True; nobody acts."""
        self._steps[begun] = 0
        self.ended = self.ended & ~begun
        no_env = np.zeros_like(begun)
        return StepMasks(is_step=False, acted=no_env, begun=begun, scored=begun, terminated=no_env)

    def advance(self, terminated: BoolArray, truncated: BoolArray) -> StepMasks:
        """Count one step, both arguments of shape (N,); an episode that had ended begins anew
        instead of acting."""
        begun = self.ended
        acted = ~begun
        self._steps = np.where(begun, 0, self._steps + 1)
        self.ended = acted & (terminated | truncated)
        # The last step too: a telescoping shaping would else lose the gain since the last score.
        due = self.ended | (self._steps % self._score_every == 0)
        return StepMasks(
            is_step=True,
            acted=acted,
            begun=begun,
            scored=(acted & due) | begun,
            terminated=acted & terminated,
        )

    def step_rewards(self, masks: StepMasks, scores: FrameScores) -> StepRewards:
        """Turn the scores of a step into rewards; steps are paid in the order they were made."""
        valid = scores.valid & masks.scored
        payable = valid & masks.acted
        success = np.zeros_like(valid)
        if self._detector is not None:
            success = payable & (scores.success >= self._detector.threshold)
        # A predicted success ends the episode, so its potential is that of a true end.
        terminal = masks.terminated | success
        rewards, state = np.zeros(len(valid)), self._state
        # The reset of some is no step of the others: their steps since a score are counted.
        if masks.is_step:
            rewards, state = self._shaping.step(state, scores.score, payable, terminal)
        # A step that was spent on a reset took no action that could earn anything.
        rewards[~masks.acted] = 0.0
        if self._detector is not None:
            rewards[success] += self._detector.bonus
        # Most steps begin no episode.
        if masks.begun.any():
            state = state.restart(masks.begun, scores.score, valid)
        self._state = state
        self.ended = self.ended | success
        score = np.where(valid, scores.score, np.nan).astype(np.float32)
        return StepRewards(rewards, score, valid, success)

    def episode_rewards(self, masks: StepMasks, scores_by_env: Mapping[int, Scores]) -> StepRewards:
        """Turn the scores of whole episodes that end with a step into rewards of their last steps.

        Args:
            masks: the step.
            scores_by_env: by environment, one score of each frame of its episode that was kept.
        """
        num_envs = len(masks.acted)
        rewards = np.zeros(num_envs)
        score = np.full(num_envs, np.nan, np.float32)
        valid = np.zeros(num_envs, np.bool_)
        for env, scores in scores_by_env.items():
            steps = int(self._steps[env])
            terminated = bool(masks.terminated[env])
            rewards[env] = self._episode_return(steps, scores, terminated)
            valid[env] = scores.valid[-1]
            if valid[env]:
                score[env] = scores.value[-1]
        no_success = np.zeros(num_envs, np.bool_)
        return StepRewards(rewards, score, valid, no_success)

    def _episode_return(self, steps: int, scores: Scores, terminated: bool) -> float:
        """The sum of what the steps of an episode are worth, each paid by the shaping as if it had
        been scored then."""
        step_numbers = np.arange(steps + 1)
        # The same frames as `advance` calls due, so the k-th score belongs to the k-th of them.
        on_schedule = step_numbers % self._score_every == 0
        is_last = step_numbers == steps
        scored = on_schedule | is_last
        # One column: the shaping takes the episode for one environment.
        value = np.zeros((steps + 1, 1), np.float32)
        valid = np.zeros_like(value, np.bool_)
        value[scored, 0] = scores.value
        valid[scored, 0] = scores.valid

        state = ShapingState.start(value[0], valid[0])
        total = 0.0
        for step in range(1, steps + 1):
            ends_here = terminated and step == steps
            terminal = np.array([ends_here])
            reward, state = self._shaping.step(state, value[step], valid[step], terminal)
            total += float(reward[0])
        return total

    def get_state(self) -> dict[str, NDArray[Any]]:
        """Return everything `set_state` needs."""
        counts = {"steps": self._steps.copy(), "ended": self.ended.copy()}
        return counts | self._state.arrays()

    def set_state(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `get_state` returned."""
        self._steps = arrays["steps"].copy()
        self.ended = arrays["ended"].copy()
        self._state = ShapingState.from_arrays(arrays)
