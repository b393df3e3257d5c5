"""Environments whose frame shows the step number, and models that read it.

Which frame was scored can thus be told from the score: step t of episode e scores t / 100, and the
red channel of the second pixel tells e.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from roborew.types import Clip, RewardSpec, Scores

OBSERVATIONS = Box(0, np.inf, (2,), np.float32)
ACTIONS = Box(-1, 1, (1,), np.float32)


def clock_frame(step: int, episode: int) -> NDArray[np.uint8]:
    frame = np.full((4, 6, 3), 255, dtype=np.uint8)
    frame[0, 0], frame[0, 1] = step, episode
    return frame


class ClockEnv(gymnasium.Env[Any, Any]):
    """Ends after ``horizon`` steps, by truncation or termination; observes step and episode; its
    own reward is NaN."""

    def __init__(
        self, horizon: int, terminates: bool = False, render_mode: str | None = "rgb_array"
    ) -> None:
        self.metadata = {"render_modes": ["rgb_array"], "render_fps": 25}
        self.observation_space, self.action_space = OBSERVATIONS, ACTIONS
        self.render_mode = render_mode
        self._horizon, self._terminates = horizon, terminates
        self._step, self._episode = 0, -1

    def _observe(self) -> tuple[NDArray[np.float32], dict[str, Any]]:
        info = {"progress": self._step / self._horizon, "success": self._step == self._horizon}
        return np.array([self._step, self._episode], dtype=np.float32), info

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        self._step, self._episode = 0, self._episode + 1
        return self._observe()

    def step(self, action: Any) -> Any:
        self._step += 1
        done = self._step >= self._horizon
        observation, info = self._observe()
        return observation, np.nan, done and self._terminates, done and not self._terminates, info

    def render(self) -> Any:
        return clock_frame(self._step, self._episode)


def clocks(
    horizons: Sequence[int],
    mode: AutoresetMode = AutoresetMode.DISABLED,
    terminates: bool = False,
    **kwargs: Any,
) -> VectorEnv[Any, Any, Any]:
    def maker(horizon: int) -> Callable[[], ClockEnv]:
        return lambda: ClockEnv(horizon, terminates, **kwargs)

    return SyncVectorEnv([maker(horizon) for horizon in horizons], autoreset_mode=mode)


class NativeClocks(VectorEnv[Any, Any, Any]):
    """Clocks that step together, draw only some environments and can be saved and restored."""

    def __init__(self, horizons: Sequence[int]) -> None:
        self.num_envs, self.render_mode = len(horizons), "rgb_array"
        self.metadata = {"autoreset_mode": AutoresetMode.DISABLED}
        self.single_observation_space, self.single_action_space = OBSERVATIONS, ACTIONS
        self.observation_space = batch_space(OBSERVATIONS, self.num_envs)
        self.action_space = batch_space(ACTIONS, self.num_envs)
        self.drawn: list[list[int]] = []
        self.cameras, self.resizable, self.expert = ("default",), False, None
        self._horizons = np.array(horizons)
        self._steps, self._episodes = (
            np.zeros_like(self._horizons),
            np.full_like(self._horizons, -1),
        )

    def _observe(self) -> NDArray[np.float32]:
        return np.stack([self._steps, self._episodes], axis=1).astype(np.float32)

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> Any:
        mask = (options or {}).get("reset_mask", np.ones(self.num_envs, dtype=np.bool_))
        self._steps[mask] = 0
        self._episodes[mask] += 1
        return self._observe(), self._truth()

    def step(self, actions: Any) -> Any:
        self._steps += 1
        truncated = self._steps >= self._horizons
        return (
            self._observe(),
            np.full(self.num_envs, np.nan),
            np.zeros_like(truncated),
            truncated,
            self._truth(),
        )

    def _truth(self) -> dict[str, Any]:
        return {"progress": self._steps / self._horizons, "success": self._steps >= self._horizons}

    def render_frames(self, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
        self.drawn.append(indices.tolist())
        return np.stack([clock_frame(int(self._steps[i]), int(self._episodes[i])) for i in indices])

    def get_state(self) -> dict[str, NDArray[Any]]:
        return {"steps": self._steps.copy(), "episodes": self._episodes.copy()}

    def set_state(self, arrays: dict[str, NDArray[Any]]) -> None:
        self._steps, self._episodes = arrays["steps"].copy(), arrays["episodes"].copy()


class ClockModel:
    """Scores a frame by the mean step number of the last ``context`` frames, over 100; claims from
    ``claim_at`` on."""

    def __init__(self, context: int | None = 1, claim_at: int = 255, **promises: Any) -> None:
        self.spec = RewardSpec(
            **{
                "name": "clock",
                "low": 0.0,
                "high": 2.55,
                "context": context,
                "causal": True,
                "needs_goal_image": False,
                "predicts_success": True,
                "paper": "none",
                **promises,
            }
        )
        self._claim_at = claim_at
        self.clips: list[Clip] = []

    def score(self, clips: Sequence[Clip]) -> list[Scores]:
        self.clips.extend(clips)
        return [self._score(clip) for clip in clips]

    def _score(self, clip: Clip) -> Scores:
        assert len(set(clip.frames[:, 0, 1, 0].tolist())) == 1 or self.spec.context == 1, (
            "two episodes in one clip"
        )
        steps = clip.frames[:, 0, 0, 0].astype(np.float32)
        context = self.spec.context or len(steps)
        value = np.array(
            [steps[max(0, t + 1 - context) : t + 1].mean() for t in range(len(steps))], np.float32
        )
        return Scores(
            value / 100,
            np.ones(len(steps), dtype=np.bool_),
            (steps >= self._claim_at).astype(np.float32),
        )
