"""A reward model in place of an environment's own reward.

    frames --> score --> shaping --> agent

The simulator's truth (true reward, progress, success) passes through in the infos and is never read
here.
"""

from __future__ import annotations

from typing import Any, SupportsFloat, Unpack, cast

import gymnasium
import numpy as np
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray

from roborew.errors import InvalidInputError
from roborew.shaping import Rewards
from roborew.types import BoolArray, RewardModel, Video, check_video
from roborew.wrappers.engine import RewardEngine, RewardOptions
from roborew.wrappers.episode_tracker import StepRewards
from roborew.wrappers.paid_episodes import RewardWrapper


class LearnedReward(RewardWrapper):
    """Pays the shaped score of a reward model in every environment of a vector environment.

    The frame scored is that of the state after the action and before any reset. Infos gain, each of
    shape (N,): ``true_reward`` (the environment's own), ``score`` (float32, NaN where not scored or
    abstained), ``score_valid`` (bool) and ``claimed`` (bool: the model's claim of success paid the
    bonus and ended the episode).

    Args:
        env: a vector environment with ``render_mode="rgb_array"`` and autoreset ``DISABLED`` or
            ``NEXT_STEP``. One that can ``draw(indices)`` draws only the environments that are due,
            another one renders all of them.
        model: a causal reward model, or any with ``scoring="episode"``.
        instruction: the goal as a sentence.
        **options: see `RewardOptions`.

    Raises:
        InvalidInputError: an argument that breaks a rule; while running, frames that are no uint8
            RGB pictures.
        InvalidScoreError: the model returned something that is no score, or abstained too often.
    """

    def __init__(
        self,
        env: VectorEnv[Any, Any, Any],
        model: RewardModel,
        instruction: str,
        **options: Unpack[RewardOptions],
    ) -> None:
        _require_pictures(env.render_mode)
        self._engine = RewardEngine(model, instruction, env.num_envs, **options)
        super().__init__(env, self._engine.ledger)

    @property
    def deferred(self) -> bool:
        """Whether rewards are NaN until `flush` pays a whole rollout."""
        return self._engine.deferred

    @property
    def seconds(self) -> dict[str, float]:
        """Wall-clock time spent so far under "physics", "drawing" and "scoring" [s]."""
        return super().seconds | self._engine.seconds

    def flush(self) -> Rewards:
        """Return the rewards of all steps since the last flush, shape (T, N), scored in one batch.

        Only with ``scoring="rollout"``; the numbers equal those of scoring at each step.
        """
        return self._engine.flush()

    def pay_restart(self, begun: BoolArray, infos: dict[str, Any]) -> StepRewards:
        """Score the first frames of the episodes that begin."""
        return self._engine.restart(begun, self._draw)

    def pay_step(
        self, terminated: BoolArray, truncated: BoolArray, infos: dict[str, Any]
    ) -> StepRewards:
        """Score the frames that are due and pay."""
        return self._engine.advance(terminated, truncated, self._draw)

    def get_reward_state(self) -> dict[str, NDArray[Any]]:
        """Return potentials, step counts and frame histories."""
        return self._engine.get_state()

    def set_reward_state(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take over what `get_reward_state` returned."""
        self._engine.set_state(arrays)

    def _draw(self, envs: NDArray[np.int64]) -> Video:
        draw = getattr(self.env.unwrapped, "render_frames", None)
        if draw is not None:
            return check_video(draw(envs), f"frames of environments {envs.tolist()}")
        pictures = cast(Any, self.env.render())
        return np.concatenate([_as_video(pictures[env], env) for env in envs.tolist()])


class SingleLearnedReward(gymnasium.Wrapper[Any, Any, Any, Any]):
    """`LearnedReward` for a single environment: same engine, same options, scalars in the info."""

    def __init__(
        self,
        env: gymnasium.Env[Any, Any],
        model: RewardModel,
        instruction: str,
        **options: Unpack[RewardOptions],
    ) -> None:
        super().__init__(env)
        _require_pictures(env.render_mode)
        self._engine = RewardEngine(model, instruction, 1, **options)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Reset the environment; the info gains the score of its first frame."""
        observation, info = self.env.reset(seed=seed, options=options)
        return observation, info | _first(
            self._engine.restart(np.ones(1, dtype=np.bool_), self._draw)
        )

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Step the environment and pay the learned reward.

        Raises:
            InvalidInputError: the episode has ended and the environment was not reset.
        """
        if self._engine.ledger.ended[0]:
            raise InvalidInputError("step: the episode has ended; call reset() first.")
        observation, reward, terminated, truncated, info = self.env.step(action)
        payment = self._engine.advance(np.array([terminated]), np.array([truncated]), self._draw)
        terminated = bool(terminated or payment.terminated_by_success_detector[0])
        info = info | {"true_reward": reward} | _first(payment)
        return observation, float(payment.rewards[0]), terminated, truncated, info

    def flush(self) -> Rewards:
        """Return the rewards of all steps since the last flush, shape (T, 1); see
        `LearnedReward.flush`."""
        return self._engine.flush()

    def _draw(self, envs: NDArray[np.int64]) -> Video:
        return _as_video(self.env.render(), 0)


def _first(payment: StepRewards) -> dict[str, Any]:
    return {
        "score": float(payment.score[0]),
        "score_valid": bool(payment.valid[0]),
        "terminated_by_success_detector": bool(payment.terminated_by_success_detector[0]),
    }


def _as_video(picture: object, env: int) -> Video:
    video = cast(Any, picture)[None] if isinstance(picture, np.ndarray) else picture
    return check_video(video, f"frame of environment {env}")


def _require_pictures(render_mode: str | None) -> None:
    if render_mode != "rgb_array":
        raise InvalidInputError(
            f"render_mode: expected 'rgb_array', got {render_mode!r}; the reward is read from "
            f"pictures, so make the "
            "environment with render_mode='rgb_array'."
        )
