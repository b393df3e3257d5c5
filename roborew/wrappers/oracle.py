"""The reward that a perfect reward model would pay: the baseline beside every learned one.

This is the only wrapper that reads the simulator's truth.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray

from roborew.errors import InvalidInputError
from roborew.shaping import ProgressDelta
from roborew.types import BoolArray
from roborew.wrappers.episode_tracker import (
    EpisodeTracker,
    FrameScores,
    StepMasks,
    StepRewards,
    SuccessDetector,
)
from roborew.wrappers.paid_episodes import RewardWrapper


class OracleReward(RewardWrapper):
    """Pays the simulator's truth through the same shaping, at the same steps, as `LearnedReward`.

    Infos gain the same keys: ``score`` is true progress and ``claimed`` true success at a scored
        step.

    Args:
        env: a vector environment whose infos hold ``progress`` and ``success``, each of shape (N,).
        kind: ``"dense"`` pays gains in progress and the bonus of success, ``"sparse"`` the bonus
            alone. Both end the episode at true success.
        scale: reward for the whole of the progress.
        bonus: reward for success.
        score_every: look at every k-th step of an episode and at its last.
    """

    def __init__(
        self,
        env: VectorEnv[Any, Any, Any],
        kind: Literal["dense", "sparse"] = "dense",
        *,
        scale: float = 5.0,
        bonus: float = 4.0,
        score_every: int = 4,
    ) -> None:
        if kind not in ("dense", "sparse"):
            raise InvalidInputError(f"true reward: expected 'dense' or 'sparse'; got {kind!r}.")
        self._dense = kind == "dense"
        super().__init__(
            env,
            EpisodeTracker(
                env.num_envs,
                ProgressDelta(scale=scale),
                score_every,
                SuccessDetector(threshold=0.5, bonus=bonus),
            ),
        )

    def pay_restart(self, begun: BoolArray, infos: dict[str, Any]) -> StepRewards:
        """Read the true progress of first states."""
        return self._pay(self._ledger.restart(begun), infos)

    def pay_step(
        self, terminated: BoolArray, truncated: BoolArray, infos: dict[str, Any]
    ) -> StepRewards:
        """Read the true progress and success, and pay."""
        return self._pay(self._ledger.advance(terminated, truncated), infos)

    def get_reward_state(self) -> dict[str, NDArray[Any]]:
        """Return progress at the last score and step counts."""
        return self._ledger.get_state()

    def set_reward_state(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take over what `get_reward_state` returned."""
        self._ledger.set_state(arrays)

    def _pay(self, row: StepMasks, infos: dict[str, Any]) -> StepRewards:
        missing = {"progress", "success"} - infos.keys()
        if missing:
            raise InvalidInputError(
                f"true reward: expected 'progress' and 'success' in the infos, got "
                f"{sorted(infos)}; "
                "only an environment that tells the truth can pay it."
            )
        progress = np.asarray(infos["progress"], dtype=np.float32)
        score = progress if self._dense else np.zeros_like(progress)
        return self._ledger.pay(
            row, FrameScores(score, row.scored, np.asarray(infos["success"], dtype=np.float32))
        )
