"""Rewards that the simulator's truth pays, alone or beside a learned one: the baselines of every
learned reward.

No other wrapper reads the truth.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from gymnasium.vector import VectorEnv

from roborew.errors import InvalidInputError
from roborew.shaping import ProgressDelta, RawScore
from roborew.types import RewardModel
from roborew.wrappers.episode_tracker import (
    EpisodeTracker,
    FrameScores,
    StepMasks,
    StepRewards,
    SuccessDetector,
)
from roborew.wrappers.learned_reward import LearnedReward, RewardWrapper


class OracleReward(RewardWrapper):
    """Pays the simulator's truth through the same shaping, at the same steps, as `LearnedReward`.

    Infos gain the same keys: ``score`` is true progress and ``terminated_by_success_detector`` true
    success at a scored step.

    Args:
        env: a vector environment whose infos hold ``success`` and, for the dense reward,
            ``progress``, each of shape (N,).
        kind: ``"dense"`` pays gains in progress and the bonus of success, ``"sparse"`` the bonus
            alone.
        scale: reward for the whole of the progress.
        bonus: reward for success.
        raw_coef: reward a step for the whole of the progress, beside the gain: so that progress is
            worth holding.
        success_coef: reward a step in which the goal holds, beside all other: so that it is held where
            progress just short of it is nearly as good, as of a body that trembles on its feet.
        ends_at_success: end the episode at true success and pay the bonus. Switch it off for a goal
            that is to be held; above all with a ``raw_coef``, for which an agent would stay just
            short of the end.
        score_every: look at every k-th step of an episode and at its last.
    """

    def __init__(
        self,
        env: VectorEnv[Any, Any, Any],
        kind: Literal["dense", "sparse"] = "dense",
        *,
        scale: float = 5.0,
        bonus: float = 4.0,
        raw_coef: float = 0.0,
        success_coef: float = 0.0,
        ends_at_success: bool = True,
        score_every: int = 4,
    ) -> None:
        if kind not in ("dense", "sparse"):
            raise InvalidInputError(f"oracle reward: expected 'dense' or 'sparse'; got {kind!r}.")
        if kind == "sparse" and (raw_coef or success_coef or not ends_at_success):
            raise InvalidInputError(
                "oracle reward: the sparse one pays the bonus at the end alone, so it has no raw_coef "
                "and no success_coef and ends at success; leave them out, or choose the dense one."
            )
        if not (math.isfinite(success_coef) and success_coef >= 0):
            raise InvalidInputError(
                f"oracle reward: expected a finite success_coef of at least 0; got {success_coef}."
            )
        self._success_coef = success_coef
        self._dense = kind == "dense"
        # Success is 0 or 1, so every threshold between them says the same.
        detector = SuccessDetector(threshold=0.5, bonus=bonus) if ends_at_success else None
        shaping = ProgressDelta(scale, raw_coef)
        super().__init__(env, EpisodeTracker(env.num_envs, shaping, score_every, detector))

    def _reward(self, masks: StepMasks, infos: Mapping[str, Any]) -> StepRewards:
        _require_truth(infos, *(("progress", "success") if self._dense else ("success",)))
        success = np.asarray(infos["success"], dtype=np.float32)
        progress = np.zeros_like(success)
        if self._dense:
            progress = np.asarray(infos["progress"], dtype=np.float32)
        # All 0 has no gains, so that the bonus alone is paid.
        outcome = self._tracker.step_rewards(masks, FrameScores(progress, masks.scored, success))
        return _with_success_paid(outcome, masks, infos, self._success_coef)


class EnvironmentReward(RewardWrapper):
    """Pays the environment's own reward at every step, whatever it is worth, and ends no episode.

    Infos gain the keys of `LearnedReward`; nothing is scored.

    Args:
        env: a vector environment.
        scale: factor of its reward.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any], *, scale: float = 1.0) -> None:
        _check_factor("env reward", "scale", scale)
        self._scale = scale
        super().__init__(env, EpisodeTracker(env.num_envs, RawScore(), 1, None))

    def _reward(self, masks: StepMasks, infos: Mapping[str, Any]) -> StepRewards:
        outcome = StepRewards.unknown(self.num_envs)
        reward = infos.get("true_reward", 0.0) if masks.is_step else 0.0
        return replace(outcome, rewards=np.where(masks.acted, self._scale * reward, 0.0))


class SuccessBonusReward(LearnedReward):
    """Pays a learned reward and, beside it, the simulator's truth: a bonus in every step in which the
    goal holds (as FuRL, arXiv:2406.00645, and TimeRewarder, arXiv:2509.26627, do).

    Args:
        env: a vector environment whose infos hold ``success``, of shape (N,).
        model: see `LearnedReward`.
        instruction: see `LearnedReward`.
        success_bonus: reward of a step, finite and above 0.
        **settings: of `LearnedReward`, but for ``scoring="rollout"``.
    """

    def __init__(
        self,
        env: VectorEnv[Any, Any, Any],
        model: RewardModel,
        instruction: str,
        *,
        success_bonus: float,
        **settings: Any,
    ) -> None:
        _check_factor("success bonus", "reward", success_bonus)
        if settings.get("scoring") == "rollout":
            raise InvalidInputError(
                "success bonus: it is paid at every step, and scoring='rollout' pays later; choose "
                "'step' or 'episode'."
            )
        self._success_bonus = success_bonus
        super().__init__(env, model, instruction, **settings)

    def _reward(self, masks: StepMasks, infos: Mapping[str, Any]) -> StepRewards:
        outcome = super()._reward(masks, infos)
        _require_truth(infos, "success")
        return _with_success_paid(outcome, masks, infos, self._success_bonus)


def _with_success_paid(
    outcome: StepRewards, masks: StepMasks, infos: Mapping[str, Any], coef: float
) -> StepRewards:
    """The rewards of a step and, where an action led to a state in which the goal holds, ``coef``."""
    holds = infos["success"] & masks.acted
    return replace(outcome, rewards=outcome.rewards + coef * holds)


def _check_factor(owner: str, name: str, value: float) -> None:
    """Raise unless a factor is finite and above 0."""
    if not (math.isfinite(value) and value > 0):
        raise InvalidInputError(f"{owner}: expected a finite {name} above 0; got {value}.")


def _require_truth(infos: Mapping[str, Any], *names: str) -> None:
    """Raise unless the simulator says all of it."""
    if not set(names) <= infos.keys():
        raise InvalidInputError(
            f"oracle reward: expected {' and '.join(map(repr, names))} in the infos, got "
            f"{sorted(infos)}; only an environment that tells the truth can pay it. "
            "`--reward oracle-sparse` needs success alone, and `--reward env` neither: it is the "
            "environment's own reward."
        )
