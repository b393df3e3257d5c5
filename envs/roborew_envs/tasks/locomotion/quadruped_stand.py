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
from roborew_envs.tasks.training import BODY_PPO, HELD_GOAL

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
    robot_state = slice(0, 35)
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
        """Ids of the geoms of the four paws."""
        geoms = (self.model.geom(i) for i in range(self.model.ngeom))
        return [geom.id for geom in geoms if geom.name.endswith("paw")]

    def sample_initial_state(self, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        """On the belly, legs folded, each joint a little otherwise."""
        qpos = self.model.qpos0.copy()
        qpos[:2] = rng.uniform(-0.1, 0.1, 2)
        roll_and_pitch = 0.04 * rng.standard_normal(2)
        yaw = rng.uniform(-0.4, 0.4)
        qpos[3:7] = euler_to_quaternion(np.append(roll_and_pitch, yaw))
        # The first joint is the free root, which has no range.
        low, high = self.model.jnt_range[1:].T
        joints = np.tile(FOLDED_LEG, 4) + 0.1 * rng.standard_normal(12)
        qpos[7:] = np.clip(joints, low, high)
        # On the floor, but no lower than the belly, which is no sphere or capsule.
        lowest = self.kinematics.lowest_height(qpos[None])[0]
        qpos[2] = max(qpos[2] - lowest, 0.09)
        qvel = 0.02 * rng.standard_normal(self.model.nv)
        return qpos, qvel

    def action_to_ctrl(self, qpos: FloatArray, actions: FloatArray) -> FloatArray:
        low, high = self.model.actuator_ctrlrange.T
        share = (actions + 1) / 2
        return low + share * (high - low)

    def observe(self, qpos: FloatArray, qvel: FloatArray) -> NDArray[np.float32]:
        """Height, orientation, joint angles, and a tenth of every velocity; shape (N, 35)."""
        # Without the place on the floor: to stand up is the same everywhere.
        pose = qpos[:, 2:]
        velocity = 0.1 * qvel
        return np.concatenate([pose, velocity], axis=1, dtype=np.float32)

    def success(self, qpos: FloatArray, qvel: FloatArray) -> BoolArray:
        speed = np.linalg.norm(qvel[:, :3], axis=1)
        is_high = qpos[:, 2] >= STANDING_HEIGHT
        # Clipped, so it is exactly 1 up to 20 degrees, and == is safe.
        is_level = self._levelness(qpos) == 1
        paws_down = self._highest_paw(qpos) <= MAX_PAW_HEIGHT
        return is_high & is_level & paws_down & (speed <= MAX_STANDING_SPEED)

    def partial_progress(self, qpos: FloatArray, qvel: FloatArray) -> FloatArray:
        height = qpos[:, 2]
        paw_height = self._highest_paw(qpos)
        paws_down = np.clip((0.3 - paw_height) / (0.3 - MAX_PAW_HEIGHT), 0.0, 1.0)
        level = self._levelness(qpos)
        return level * paws_down * (height - LYING_HEIGHT) / (STANDING_HEIGHT - LYING_HEIGHT)

    def partial_stage(self, qpos: FloatArray, qvel: FloatArray) -> IntArray:
        is_rising = self.partial_progress(qpos, qvel) >= 0.3
        return is_rising.astype(np.int64)

    def _levelness(self, qpos: FloatArray) -> FloatArray:
        """1 where the back leans by less than 20 degrees, 0 from 60 on, shape (N,)."""
        steepest, flattest = np.cos(np.deg2rad([60, 20]))
        torso = self.model.body("torso").id
        # Vertical component of the torso's own z axis: the cosine of its lean.
        up = self.kinematics.forward(qpos).body_rotations[:, torso, 2, 2]
        return np.clip((up - steepest) / (flattest - steepest), 0.0, 1.0)

    def _highest_paw(self, qpos: FloatArray) -> FloatArray:
        """Height of the middle of the highest paw, shape (N,) [m]."""
        poses = self.kinematics.forward(qpos)
        paw_heights = poses.geom_positions[:, self._paws, 2]
        return paw_heights.max(axis=1)


class QuadrupedStandV1(QuadrupedStand):
    """`QuadrupedStand` that ends where the back leans by 60 degrees."""

    id = "roborew/QuadrupedStand-v1"
    train_timesteps = 1_500_000
    train_ppo = BODY_PPO
    train_oracle = HELD_GOAL

    def failed(self, qpos: FloatArray, qvel: FloatArray) -> BoolArray:
        return self._levelness(qpos) == 0
