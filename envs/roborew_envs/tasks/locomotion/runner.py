"""What the running tasks share: a body with a torso on a track, done when it is beyond the finish
line on its feet."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from roborew_envs.core.task import BoolArray, FloatArray, IntArray, Task

STARTED_DISTANCE = 1.0
"""Distance from which the second stage begins [m]."""


class Runner(Task):
    """Motors take the action as it is. Progress is the share of the way to the line, times `uprightness`:
    a body that falls loses what it had won."""

    cameras: ClassVar[tuple[str, ...]] = ("side", "stand", "chase")
    stages: ClassVar[tuple[str, ...]] = ("start", "run", "finished")
    finish_x: ClassVar[int]
    """Place of the line along x [m]; a start is at 0."""
    start_noise: ClassVar[tuple[float, float]] = (0.1, 0.1)
    """Half width of a start's uniform positions, and standard deviation of its velocities."""

    def uprightness(self, qpos: FloatArray) -> FloatArray:
        """1 on its feet, 0 fallen, shape (N,)."""
        return np.ones(len(qpos))

    def sample_initial_state(self, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        """Near the model's reference pose on the start line, as Gymnasium's own environments
        start."""
        positions, velocities = self.start_noise
        qpos = self.model.qpos0 + rng.uniform(-positions, positions, self.model.nq)
        return qpos, velocities * rng.standard_normal(self.model.nv)

    def action_to_ctrl(self, qpos: FloatArray, actions: FloatArray) -> FloatArray:
        return actions

    def observe(self, qpos: FloatArray, qvel: FloatArray) -> NDArray[np.float32]:
        """Place on the track in units of its length, then the rest of qpos, and qvel."""
        observation = np.concatenate([qpos, qvel], axis=1, dtype=np.float32)
        observation[:, 0] /= self.finish_x
        return observation

    def success(self, qpos: FloatArray, qvel: FloatArray) -> BoolArray:
        return (qpos[:, 0] >= self.finish_x) & (self.uprightness(qpos) >= 0.5)

    def partial_progress(self, qpos: FloatArray, qvel: FloatArray) -> FloatArray:
        return self.uprightness(qpos) * qpos[:, 0] / self.finish_x

    def partial_stage(self, qpos: FloatArray, qvel: FloatArray) -> IntArray:
        return ((qpos[:, 0] >= STARTED_DISTANCE) & (self.uprightness(qpos) >= 0.5)).astype(np.int64)


def planar_uprightness(
    height: FloatArray,
    lean: FloatArray,
    lowest: float,
    highest: float,
    leans: tuple[float, float] = (0.6, 1.2),
) -> FloatArray:
    """Poise of a body that runs in a plane, shape (N,).

    Args:
        height: of its torso, shape (N,) [m].
        lean: of its torso from where it belongs, shape (N,) [rad].
        lowest: height at which all is lost [m].
        highest: height from which nothing is [m].
        leans: lean up to which nothing is lost, and at which all is [rad].
    """
    high = np.clip((height - lowest) / (highest - lowest), 0.0, 1.0)
    return high * np.clip((leans[1] - np.abs(lean)) / (leans[1] - leans[0]), 0.0, 1.0)
