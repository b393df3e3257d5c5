"""Stand up: a four-legged robot that lies with its legs folded comes onto its paws."""

from __future__ import annotations

from functools import cached_property
from typing import ClassVar

import mujoco
import numpy as np
from numpy.typing import NDArray

from roborew_envs.core.mjcf import load_world
from roborew_envs.core.task import BoolArray, FloatArray, IntArray, Language, Task
from roborew_envs.tasks.kinematics import Kinematics, euler_to_quaternion

LYING_HEIGHT, STANDING_HEIGHT = 0.11, 0.36
"""Height of the torso's middle on the belly, and from which the legs are straight enough [m]."""
MAX_PAW_HEIGHT = 0.06
"""Largest height of the middle of a paw that stands [m]."""
MAX_STANDING_SPEED = 0.6
"""Largest speed of the torso that stands [m/s]."""
FOLDED_LEG = np.deg2rad([0.0, 80.0, -158.0])
"""Abduction, hip and knee of a folded leg [rad]."""


class QuadrupedStand(Task):
    """Twelve servos, an action held for 40 ms; +-1 asks for the ends of a joint's range.

    Standing: torso high and level, all paws on the floor, and nearly at rest, since a jump is no
        stand.
    """

    id = "roborew/QuadrupedStand-v0"
    cameras: ClassVar[tuple[str, ...]] = ("quarter", "side", "front")
    horizon = 100
    stages: ClassVar[tuple[str, ...]] = ("lying", "rising", "standing")
    substeps = 10
    action_size = 12
    language = Language(
        instruction="stand up on all four legs",
        paraphrases=(
            "get up onto your four legs",
            "please make the robot dog stand",
            "rise from the floor and stand",
            "stand on four straight legs",
            "the four-legged robot is standing",
            "lift your belly off the ground",
            "push yourself up until you stand",
            "bring the quadruped to its feet",
            "stretch all legs and stand still",
            "raise the body and hold it there",
        ),
        wrong_instructions=(
            "lie down",
            "stay on your belly",
            "do not stand up",
            "roll onto your back",
            "stand on two legs",
            "sit down",
            "walk forward",
            "hello",
        ),
    )

    def build(self) -> mujoco.MjModel:
        return load_world("quadruped.xml").compile()

    @cached_property
    def kinematics(self) -> Kinematics:
        """Forward kinematics of the body."""
        return Kinematics(self.model)

    @cached_property
    def _paws(self) -> list[int]:
        return [i for i in range(self.model.ngeom) if self.model.geom(i).name.endswith("paw")]

    def sample_initial_state(self, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        """On the belly, legs folded, each joint a little otherwise."""
        qpos = self.model.qpos0.copy()
        qpos[:2] = rng.uniform(-0.1, 0.1, 2)
        qpos[3:7] = euler_to_quaternion(
            np.append(0.04 * rng.standard_normal(2), rng.uniform(-0.4, 0.4))
        )
        low, high = self.model.jnt_range[1:].T
        qpos[7:] = np.clip(np.tile(FOLDED_LEG, 4) + 0.1 * rng.standard_normal(12), low, high)
        lowest = self.kinematics.lowest_height(qpos[None])[0]
        qpos[2] = max(qpos[2] - lowest, 0.09)
        return qpos, 0.02 * rng.standard_normal(self.model.nv)

    def action_to_ctrl(self, qpos: FloatArray, actions: FloatArray) -> FloatArray:
        low, high = self.model.actuator_ctrlrange.T
        return low + (actions + 1) / 2 * (high - low)

    def observe(self, qpos: FloatArray, qvel: FloatArray) -> NDArray[np.float32]:
        """Height, orientation, joint angles, and a tenth of every velocity; shape (N, 35)."""
        return np.concatenate([qpos[:, 2:], 0.1 * qvel], axis=1, dtype=np.float32)

    def success(self, qpos: FloatArray, qvel: FloatArray) -> BoolArray:
        level, paws = self._level_and_paws(qpos)
        steady = np.linalg.norm(qvel[:, :3], axis=1) <= MAX_STANDING_SPEED
        return (qpos[:, 2] >= STANDING_HEIGHT) & (level == 1) & (paws <= MAX_PAW_HEIGHT) & steady

    def partial_progress(self, qpos: FloatArray, qvel: FloatArray) -> FloatArray:
        level, paws = self._level_and_paws(qpos)
        down = np.clip((0.3 - paws) / (0.3 - MAX_PAW_HEIGHT), 0.0, 1.0)
        return level * down * (qpos[:, 2] - LYING_HEIGHT) / (STANDING_HEIGHT - LYING_HEIGHT)

    def partial_stage(self, qpos: FloatArray, qvel: FloatArray) -> IntArray:
        return (self.partial_progress(qpos, qvel) >= 0.3).astype(np.int64)

    def _level_and_paws(self, qpos: FloatArray) -> tuple[FloatArray, FloatArray]:
        """1 where the back leans by less than 20 degrees, 0 from 60 on; height of the highest paw
        [m]; shape (N,)."""
        places = self.kinematics.forward(qpos)
        steepest, flattest = np.cos(np.deg2rad([60, 20]))
        up = places.body_rotations[:, self.model.body("torso").id, 2, 2]
        level = np.clip((up - steepest) / (flattest - steepest), 0.0, 1.0)
        return level, places.geom_positions[:, self._paws, 2].max(axis=1)
