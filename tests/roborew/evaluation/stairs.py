"""A tiny environment whose truth is known by heart: climb ``step`` stairs, each action adds its
value."""

from __future__ import annotations

from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from numpy.typing import NDArray

from roborew.types import Clip, RewardSpec, Scores

HORIZON = 10


class Stairs(gymnasium.Env[NDArray[np.float32], NDArray[np.float32]]):
    """Progress is the height, success a height of 1 or more; the frame's red is the step, its green
    the height."""

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array"], "render_fps": 10}
    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (2,), np.float32)
    action_space = gymnasium.spaces.Box(-1, 1, (1,), np.float32)
    render_mode = "rgb_array"

    def __init__(self, horizon: int = HORIZON) -> None:
        self.horizon = horizon

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.step_number, self.height = 0, 0.0
        self.stride = 0.05 if seed is not None and seed % 2 else 0.125
        return self.observation(), self.truth()

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.step_number += 1
        self.height += self.stride * float(action[0])
        truncated = self.step_number >= self.horizon - (self.stride < 0.1)
        return self.observation(), self.height, False, truncated, self.truth()

    def observation(self) -> NDArray[np.float32]:
        return np.array([self.height, self.stride], np.float32)

    def truth(self) -> dict[str, Any]:
        return {"progress": float(np.clip(self.height, 0, 1)), "success": self.height >= 1}

    def render(self) -> Any:
        frame = np.zeros((4, 4, 3), np.uint8)
        frame[..., 0], frame[..., 1] = self.step_number, round(100 * max(self.height, 0))
        frame[-1, -1, 2] = 255  # a picture of one colour counts as a broken camera
        return frame


def stairs(
    num_envs: int = 3, mode: AutoresetMode = AutoresetMode.DISABLED, horizon: int = HORIZON
) -> SyncVectorEnv:
    """Even seeds reach the top in 8 of 10 steps; odd seeds have 9 steps and get half-way."""
    return SyncVectorEnv([lambda: Stairs(horizon)] * num_envs, autoreset_mode=mode)


def climb(observations: NDArray[Any]) -> NDArray[Any]:
    return np.ones((len(observations), 1), np.float32)


class Green:
    """Reads the height off the green channel and claims success at 100 or more; blank pictures it
    refuses."""

    spec = RewardSpec(
        name="green",
        low=0,
        high=2,
        context=1,
        causal=True,
        needs_goal_image=False,
        predicts_success=True,
        paper="a test double",
    )

    def __init__(self, eager: float = 1.0) -> None:
        self.eager = eager

    def score(self, clips: Any) -> list[Scores]:
        return [self._score(clip) for clip in clips]

    def _score(self, clip: Clip) -> Scores:
        height = clip.frames[:, 0, 0, 1].astype(np.float32) / 100
        listens = np.float32("climb" in clip.instruction)
        valid = clip.frames[:, 0, 0].any(axis=1) | (np.arange(len(height)) == 0)
        return Scores(
            height * listens, valid, (height * self.eager >= 1).astype(np.float32) * listens
        )
