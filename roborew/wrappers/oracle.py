"""The reward that a perfect reward model would pay: the baseline beside every learned one.

This is the only wrapper that reads the simulator's truth.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from gymnasium.vector import VectorEnv

from roborew.errors import InvalidInputError
from roborew.shaping import ProgressDelta
from roborew.wrappers.episode_tracker import (
    EpisodeTracker,
    FrameScores,
    StepMasks,
    StepRewards,
    SuccessDetector,
)
from roborew.wrappers.learned_reward import RewardWrapper


class OracleReward(RewardWrapper):
    """Pays the simulator's truth through the same shaping, at the same steps, as `LearnedReward`.

    Infos gain the same keys: ``score`` is true progress and ``terminated_by_success_detector`` true
    success at a scored step.

    Args:
        env: a vector environment whose infos hold ``progress`` and ``success``, each of shape (N,).
        kind: ``"dense"`` pays gains in progress and the bonus of success, ``"sparse"`` the bonus
            alone.
        scale: reward for the whole of the progress.
        bonus: reward for success.
        raw_coef: reward a step for the whole of the progress, beside the gain: so that progress is
            worth holding.
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
        ends_at_success: bool = True,
        score_every: int = 4,
    ) -> None:
        if kind not in ("dense", "sparse"):
            raise InvalidInputError(f"oracle reward: expected 'dense' or 'sparse'; got {kind!r}.")
        if kind == "sparse" and (raw_coef or not ends_at_success):
            raise InvalidInputError(
                "oracle reward: the sparse one pays the bonus at the end alone, so it has no raw_coef "
                "and ends at success; leave them out, or choose the dense one."
            )
        self._dense = kind == "dense"
        # Success is 0 or 1, so every threshold between them says the same.
        detector = SuccessDetector(threshold=0.5, bonus=bonus) if ends_at_success else None
        shaping = ProgressDelta(scale, raw_coef)
        super().__init__(env, EpisodeTracker(env.num_envs, shaping, score_every, detector))

    def _reward(self, masks: StepMasks, infos: Mapping[str, Any]) -> StepRewards:
        missing = {"progress", "success"} - infos.keys()
        if missing:
            raise InvalidInputError(
                f"oracle reward: expected 'progress' and 'success' in the infos, got "
                f"{sorted(infos)}; only an environment that tells the truth can pay it."
            )
        progress = np.asarray(infos["progress"], dtype=np.float32)
        success = np.asarray(infos["success"], dtype=np.float32)
        # All 0 has no gains, so that the bonus alone is paid.
        score = progress if self._dense else np.zeros_like(progress)
        return self._tracker.step_rewards(masks, FrameScores(score, masks.scored, success))
