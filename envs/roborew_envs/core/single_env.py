"""A task as a single Gymnasium environment: a vector environment of one, without its first axis."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.error import ResetNeeded

from roborew_envs.core.task import Task, Truth
from roborew_envs.core.validation import check_reset_options
from roborew_envs.core.vector_env import TaskVectorEnv
from roborew_envs.rendering.renderer import Quality


class TaskEnv(gymnasium.Env[Any, Any]):
    """One simulation of a task; see `TaskVectorEnv` for reward, infos and frames."""

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"]}

    def __init__(
        self,
        task: Task,
        render_mode: str | None = None,
        camera: str | None = None,
        width: int = 96,
        height: int = 72,
        quality: Quality = "fast",
        appearance: str = "",
        appearance_seed: int = 0,
        horizon: int | None = None,
        action_repeat: int = 1,
    ) -> None:
        self._vector_env = TaskVectorEnv(
            task,
            1,
            render_mode,
            camera,
            width,
            height,
            quality,
            appearance,
            appearance_seed,
            horizon=horizon,
            action_repeat=action_repeat,
        )
        self.core = self._vector_env.core
        self.task = task
        self.render_mode = render_mode
        self.metadata = {**self.metadata, "render_fps": self._vector_env.metadata["render_fps"]}
        spaces: Any = self._vector_env  # Gymnasium leaves the parameter of these spaces open
        self.observation_space = spaces.single_observation_space
        self.action_space = spaces.single_action_space
        self._running = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Start an episode."""
        check_reset_options(options, ())
        super().reset(seed=seed)
        # Gymnasium owns the generator of a single environment: starts are drawn from that one.
        self.core.generators[0] = self.np_random
        truth = self.core.reset(np.ones(1, np.bool_), [None])
        self._running = True
        return self.core.observe()[0], _info(truth)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Advance by one step."""
        if not self._running:
            raise ResetNeeded(f"{self.task.id}: call reset() before step().")
        rewards, terminated, truncated, truth = self.core.step(np.asarray(action)[None])
        observation = self.core.observe()[0]
        ends = bool(terminated[0]), bool(truncated[0])
        return observation, float(rewards[0]), *ends, _info(truth)

    def render(self) -> Any:
        """The current state's frame, shape (H, W, 3), uint8 RGB."""
        return self._vector_env.render_frames()[0]

    def close(self) -> None:
        self._vector_env.close()


def _info(truth: Truth) -> dict[str, Any]:
    return {
        "progress": truth.progress[0].item(),
        "success": truth.success[0].item(),
        "stage": truth.stage[0].item(),
    }
