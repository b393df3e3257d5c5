"""What every task of the arm shares: where its joints stand, what an action does, what an agent
sees of the arm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import mujoco
import numpy as np

from roborew_envs.core.mjcf import load_world
from roborew_envs.core.task import BoolArray, FloatArray, Task
from roborew_envs.tasks.arm_kinematics import arm_joints, hand_position

ARM = slice(0, 5)
FINGERS = slice(5, 7)
"""Where the arm stands in qpos, in every scene. A test reads these addresses from the compiled
models."""

WORKSPACE = np.array([[0.24, -0.34, 0.012], [0.68, 0.30, 0.26]])
"""Lowest and highest place of the finger tips [m]."""
REACH_PER_STEP = 0.04
"""Largest move asked for by one action, along each axis [m]."""
FINGER_OPEN = 0.033
"""Travel of each finger [m]."""
STARTS = np.array([[0.26, -0.16, 0.08], [0.36, 0.14, 0.20]])
"""Lowest and highest place of the hand at a start, where a scene has no others [m]."""


def hand(qpos: FloatArray) -> FloatArray:
    """Finger tips, shape (N, 3) [m]."""
    return hand_position(qpos[:, ARM])


def nearness(distance: FloatArray, scale: float) -> FloatArray:
    """1 at distance 0, falling to 0 at ``scale`` [m], shape as given."""
    return 1.0 - np.clip(distance / scale, 0.0, 1.0)


def closeness(distance: FloatArray, scale: float) -> FloatArray:
    """1 at distance 0, 0.5 at ``scale`` [m], never 0: steepest where precision matters, shape as
    given."""
    return scale / (scale + distance)


def within(offsets: FloatArray, limits: Sequence[float] | FloatArray) -> BoolArray:
    """Whether ``offsets``, shape (N, K) [m], lie within ``limits``, shape (K,) [m], along every
    axis: shape (N,)."""
    inside: BoolArray = np.abs(offsets) < np.asarray(limits)
    return np.logical_and.reduce(inside, axis=1)


class ArmTask(Task):
    """Shared by every task of the arm. The action is (dx, dy, dz, gripper): the hand's move in
    units of 4 cm and the gripper from closed (-1) to open (+1)."""

    scene: ClassVar[str]
    """File of the world in ``assets``; it includes ``arm.xml`` first."""
    cameras: ClassVar[tuple[str, ...]] = ("front", "side", "wrist")
    workspace: ClassVar[FloatArray] = WORKSPACE
    substeps: ClassVar[int] = 10
    action_size: ClassVar[int] = 4

    def build(self) -> mujoco.MjModel:
        return load_world(self.scene).compile()

    @staticmethod
    def sample_arm(rng: np.random.Generator, qpos: FloatArray, starts: FloatArray = STARTS) -> None:
        """Draw where the hand starts and how far the gripper is open, into one state ``qpos``,
        shape (nq,)."""
        place: FloatArray = rng.uniform(starts[0], starts[1], size=(1, 3))
        qpos[ARM] = arm_joints(place)[0]
        qpos[FINGERS] = rng.uniform(0, FINGER_OPEN)

    def action_to_ctrl(self, qpos: FloatArray, actions: FloatArray) -> FloatArray:
        target = np.clip(hand(qpos) + REACH_PER_STEP * actions[:, :3], *self.workspace)
        fingers = FINGER_OPEN * (actions[:, 3:4] + 1) / 2
        return np.concatenate([arm_joints(target), fingers, fingers], axis=1)

    @staticmethod
    def feel(qpos: FloatArray, qvel: FloatArray) -> list[FloatArray]:
        """What the arm knows of itself: finger tips, fingers' travel, speed of its joints (0.1 s
        ahead)."""
        return [hand(qpos), qpos[:, FINGERS], qvel[:, :4] * 0.1]
