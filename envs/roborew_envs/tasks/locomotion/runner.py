"""What the running tasks share: a body with a torso on a track, done when it is beyond the finish
line on its feet."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from roborew_envs.core.task import BoolArray, FloatArray, IntArray, Task
from roborew_envs.tasks.training import BODY_PPO, HELD_PROGRESS

STARTED_DISTANCE = 1.0
"""Distance from which the second stage begins [m]."""


class Runner(Task):
    """Motors take the action as it is. Progress is the share of the way to the line, times `uprightness`:
    a body that falls loses what it had won."""

    cameras: ClassVar[tuple[str, ...]] = ("side", "stand", "chase")
    stages: ClassVar[tuple[str, ...]] = ("start", "run", "finished")
    robot_state: ClassVar[slice | None] = slice(1, None)
    """But where it is on the track."""
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
        half_width, deviation = self.start_noise
        qpos_noise = rng.uniform(-half_width, half_width, self.model.nq)
        qvel = deviation * rng.standard_normal(self.model.nv)
        return self.model.qpos0 + qpos_noise, qvel

    def action_to_ctrl(self, qpos: FloatArray, actions: FloatArray) -> FloatArray:
        return actions

    def observe(self, qpos: FloatArray, qvel: FloatArray) -> NDArray[np.float32]:
        """Place on the track in units of its length, then the rest of qpos, and qvel: shape
        (N, nq + nv)."""
        observation = np.concatenate([qpos, qvel], axis=1, dtype=np.float32)
        observation[:, 0] /= self.finish_x
        return observation

    def success(self, qpos: FloatArray, qvel: FloatArray) -> BoolArray:
        has_arrived = qpos[:, 0] >= self.finish_x
        # A body that falls over the line has not run over it.
        return has_arrived & self._is_on_feet(qpos)

    def partial_progress(self, qpos: FloatArray, qvel: FloatArray) -> FloatArray:
        x = qpos[:, 0]
        uprightness = self.uprightness(qpos)
        return uprightness * x / self.finish_x

    def partial_stage(self, qpos: FloatArray, qvel: FloatArray) -> IntArray:
        has_started = qpos[:, 0] >= STARTED_DISTANCE
        is_running = has_started & self._is_on_feet(qpos)
        return is_running.astype(np.int64)

    def _is_on_feet(self, qpos: FloatArray) -> BoolArray:
        return self.uprightness(qpos) >= 0.5


class EndsAtFall(Runner):
    """A runner whose episode ends where it is off its feet."""

    train_ppo = BODY_PPO
    train_oracle = HELD_PROGRESS

    def failed(self, qpos: FloatArray, qvel: FloatArray) -> BoolArray:
        return ~self._is_on_feet(qpos)


def planar_uprightness(
    height: FloatArray,
    lean: FloatArray,
    height_range: tuple[float, float],
    lean_range: tuple[float, float] = (0.6, 1.2),
) -> FloatArray:
    """1 for a body on its feet that moves in a plane, 0 fallen, shape (N,).

    Args:
        height: of its torso, shape (N,) [m].
        lean: of its torso from where it belongs, shape (N,) [rad].
        height_range: height at which all is lost, and from which nothing is [m].
        lean_range: lean up to which nothing is lost, and at which all is [rad].
    """
    lowest, highest = height_range
    high = np.clip((height - lowest) / (highest - lowest), 0.0, 1.0)
    least, most = lean_range
    straight = np.clip((most - np.abs(lean)) / (most - least), 0.0, 1.0)
    return high * straight
