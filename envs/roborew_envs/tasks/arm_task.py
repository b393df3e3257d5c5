"""What every task of the arm shares: where its joints stand, what an action does, what an agent
sees of the arm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import mujoco
import numpy as np

from roborew_envs.core.mjcf import load_world
from roborew_envs.core.task import BoolArray, FloatArray, Task
from roborew_envs.rendering.renderer import Overrides
from roborew_envs.tasks.arm_kinematics import forward_kinematics, inverse_kinematics
from roborew_envs.tasks.geometry import yaw_quaternion

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
    """Position of the end effector, the point between the finger tips, shape (N, 3), world [m]."""
    joints = qpos[:, ARM_JOINTS]
    return forward_kinematics(joints)


def linear_tolerance(distance: FloatArray, margin: float) -> FloatArray:
    """1 at distance 0, falling linearly to 0 at ``margin`` [m]; shape as given."""
    share = np.clip(distance / margin, 0.0, 1.0)
    return 1.0 - share


def reciprocal_tolerance(distance: FloatArray, margin: float) -> FloatArray:
    """1 at distance 0, 0.5 at ``margin`` [m], never 0: steepest where precision matters; shape as
    given."""
    return margin / (margin + distance)


def is_within(offsets: FloatArray, limits: Sequence[float] | FloatArray) -> BoolArray:
    """Whether ``offsets``, shape (N, K) [m], lie within ``limits``, shape (K,) [m], along every
    axis: shape (N,)."""
    distances = np.abs(offsets)
    inside: BoolArray = distances < np.asarray(limits)
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
        rng: np.random.Generator, qpos: FloatArray, bounds: FloatArray = EE_START_BOUNDS
    ) -> None:
        """Draw where the hand starts and how far the gripper is open, into one state ``qpos``,
        shape (nq,).

        Args:
            rng: source of the start.
            qpos: written in place.
            bounds: lowest and highest position of the end effector, shape (2, 3) [m].
        """
        lowest, highest = bounds
        position: FloatArray = rng.uniform(lowest, highest, size=(1, 3))
        qpos[ARM_JOINTS] = inverse_kinematics(position)[0]
        qpos[FINGER_JOINTS] = rng.uniform(0, FINGER_TRAVEL)

    def action_to_ctrl(self, qpos: FloatArray, actions: FloatArray) -> FloatArray:
        moves = actions[:, :3]
        gripper = actions[:, 3:4]
        ee_target = ee_position(qpos) + MAX_EE_STEP * moves
        lowest, highest = self.workspace_bounds
        joint_targets = inverse_kinematics(np.clip(ee_target, lowest, highest))
        # From -1, closed, to +1, open.
        finger_target = FINGER_TRAVEL * (gripper + 1) / 2
        return np.concatenate([joint_targets, finger_target, finger_target], axis=1)

    @staticmethod
    def proprioception(qpos: FloatArray, qvel: FloatArray) -> list[FloatArray]:
        """What the arm knows of itself: end effector (N, 3) [m], travel of the fingers (N, 2) [m],
        tenths of the velocities of its joints (N, 4) [rad/s]."""
        finger_travel = qpos[:, FINGER_JOINTS]
        joint_velocity = qvel[:, :4] * 0.1
        return [ee_position(qpos), finger_travel, joint_velocity]


def geom_opacities(model: mujoco.MjModel, opacities: Mapping[str, BoolArray]) -> Overrides:
    """Overrides that show geoms, by name, in the states where they are True, shape (N,)."""
    geom_ids = np.array([model.geom(name).id for name in opacities])
    alpha = np.column_stack(list(opacities.values()))
    colors = model.geom_rgba[geom_ids].astype(np.float64)
    rgba = np.repeat(colors[None], len(alpha), axis=0)
    rgba[:, :, 3] = alpha
    return Overrides({"geom_rgba": (geom_ids, rgba)})


def place_thing(
    qpos: FloatArray, thing: slice, place: FloatArray, height: float, yaw: float
) -> None:
    """Write the pose of a thing that stands into one state.

    Args:
        qpos: shape (nq,), written in place.
        thing: where its position is in qpos; its quaternion follows.
        place: x and y, shape (2,) [m].
        height: of its middle [m].
        yaw: about the vertical [rad].
    """
    quaternion = slice(thing.stop, thing.stop + 4)
    qpos[thing] = *place, height
    qpos[quaternion] = yaw_quaternion(yaw)
