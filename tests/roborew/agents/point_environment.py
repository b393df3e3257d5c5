"""A point driven to a target in the plane: the smallest environment in which an agent can be seen
to learn."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.spaces import Box
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray


class PointEnv(VectorEnv[Any, Any, Any]):
    """``num_envs`` points; the reward is the distance gained, the true success being within 0.1 of
    the target."""

    def __init__(self, num_envs: int, horizon: int = 20, seed: int = 0) -> None:
        self.num_envs = num_envs
        self.metadata = {"autoreset_mode": AutoresetMode.DISABLED}
        self.single_observation_space = Box(-np.inf, np.inf, (4,), np.float32)
        self.single_action_space = Box(-1, 1, (2,), np.float32)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._horizon = horizon
        self._generator = np.random.default_rng(seed)
        self._places = np.zeros((num_envs, 4))
        self._steps = np.zeros(num_envs, dtype=np.int64)

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> Any:
        if seed is not None:
            self._generator = np.random.default_rng(seed)
        mask = (options or {}).get("reset_mask", np.ones(self.num_envs, dtype=np.bool_))
        self._places[mask] = self._generator.uniform(-1, 1, (int(mask.sum()), 4))
        self._steps[mask] = 0
        return self._places.astype(np.float32), {}

    def distances(self) -> NDArray[np.float64]:
        return np.linalg.norm(self._places[:, :2] - self._places[:, 2:], axis=1)

    def step(self, actions: Any) -> Any:
        before = self.distances()
        self._places[:, :2] += 0.2 * actions
        self._steps += 1
        success = self.distances() < 0.1
        truncated = self._steps >= self._horizon
        rewards = before - self.distances()
        return (
            self._places.astype(np.float32),
            rewards,
            np.zeros_like(truncated),
            truncated,
            {"success": success},
        )

    def get_state(self) -> dict[str, Any]:
        return {
            "places": self._places.copy(),
            "steps": self._steps.copy(),
            "rng": self._generator.bit_generator.state,
        }

    def set_state(self, state: dict[str, Any]) -> None:
        self._places, self._steps = state["places"].copy(), state["steps"].copy()
        self._generator.bit_generator.state = state["rng"]
