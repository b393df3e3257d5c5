"""What every task of the arm shares: where its joints stand, what an action does, what an agent
sees of the arm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import mujoco
import numpy as np

from roborew_envs.core.mjcf import load_world
from roborew_envs.core.task import BoolArray, FloatArray, Task
from roborew_envs.tasks.arm_kinematics import forward_kinematics, inverse_kinematics

ARM_JOINTS = slice(0, 5)
FINGER_JOINTS = slice(5, 7)
"""Where the arm stands in qpos, in every scene. A test reads these addresses from the compiled
models."""

WORKSPACE_BOUNDS = np.array([[0.24, -0.34, 0.012], [0.68, 0.30, 0.26]])
"""Lowest and highest place of the finger tips [m]."""
MAX_EE_STEP = 0.04
"""Largest move asked for by one action, along each axis [m]."""
FINGER_TRAVEL = 0.033
"""Travel of each finger [m]."""
EE_START_BOUNDS = np.array([[0.26, -0.16, 0.08], [0.36, 0.14, 0.20]])
"""Lowest and highest place of the hand at a start, where a scene has no others [m]."""


def ee_position(qpos: FloatArray) -> FloatArray:
    """Finger tips, shape (N, 3) [m]."""
    return forward_kinematics(qpos[:, ARM_JOINTS])


def linear_tolerance(distance: FloatArray, margin: float) -> FloatArray:
    """1 at distance 0, falling to 0 at ``scale`` [m], shape as given."""
    return 1.0 - np.clip(distance / margin, 0.0, 1.0)


def reciprocal_tolerance(distance: FloatArray, margin: float) -> FloatArray:
    """1 at distance 0, 0.5 at ``scale`` [m], never 0: steepest where precision matters, shape as
    given."""
    return margin / (margin + distance)


def is_within(offsets: FloatArray, limits: Sequence[float] | FloatArray) -> BoolArray:
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
    workspace_bounds: ClassVar[FloatArray] = WORKSPACE_BOUNDS
    substeps: ClassVar[int] = 10
    action_size: ClassVar[int] = 4

    def build(self) -> mujoco.MjModel:
        return load_world(self.scene).compile()

    @staticmethod
    def sample_arm_state(
        rng: np.random.Generator, qpos: FloatArray, starts: FloatArray = EE_START_BOUNDS
    ) -> None:
        """Draw where the hand starts and how far the gripper is open, into one state ``qpos``,
        shape (nq,)."""
        place: FloatArray = rng.uniform(starts[0], starts[1], size=(1, 3))
        qpos[ARM_JOINTS] = inverse_kinematics(place)[0]
        qpos[FINGER_JOINTS] = rng.uniform(0, FINGER_TRAVEL)

    def action_to_ctrl(self, qpos: FloatArray, actions: FloatArray) -> FloatArray:
        target = np.clip(ee_position(qpos) + MAX_EE_STEP * actions[:, :3], *self.workspace_bounds)
        fingers = FINGER_TRAVEL * (actions[:, 3:4] + 1) / 2
        return np.concatenate([inverse_kinematics(target), fingers, fingers], axis=1)

    @staticmethod
    def proprioception(qpos: FloatArray, qvel: FloatArray) -> list[FloatArray]:
        """What the arm knows of itself: finger tips, fingers' travel, speed of its joints (0.1 s
        ahead)."""
        return [ee_position(qpos), qpos[:, FINGER_JOINTS], qvel[:, :4] * 0.1]
