"""What an expert is paid while it learns: the truth alone. See `practice.py` for poses on the
feet."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.vector import VectorEnv, VectorWrapper
from numpy.typing import NDArray

from roborew_envs import TaskVectorEnv
from roborew_envs.tasks.classic.cart_pole import CartPole
from roborew_envs.tasks.locomotion.runner import Runner

GAIN = 5.0
"""Paid for the whole of the progress."""


class TrueProgress(VectorWrapper[Any, Any, Any]):
    """Pays the gain of true progress, and a rent on the progress that is held; ends the episodes of
    the fallen.

    Args:
        env: a vector environment of one of our tasks.
        rent: paid in each step for a progress of 1.
        alive: paid in each step that does not end in a fall.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any], rent: float, alive: float = 0.0) -> None:
        super().__init__(env)
        assert isinstance(env.unwrapped, TaskVectorEnv)
        self._tasks, self._rent, self._alive = env.unwrapped, rent, alive

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Act, and be paid."""
        observations, gains, terminated, truncated, infos = self.env.step(actions)
        fallen = self._fallen()
        rewards = GAIN * gains + self._rent * infos["progress"] + self._alive * ~fallen
        return observations, rewards, terminated | fallen, truncated, infos

    def _fallen(self) -> NDArray[np.bool_]:
        task, qpos = self._tasks.task, self._tasks.core.simulation.qpos
        if isinstance(task, Runner):
            return task.uprightness(qpos) < 0.5
        if isinstance(task, CartPole):
            return task.partial_stage(qpos, qpos) == 0
        return np.zeros(len(qpos), np.bool_)
