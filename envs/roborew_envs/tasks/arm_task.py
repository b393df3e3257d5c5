"""What every task of the arm shares: its kinematics in closed form, what an action does, what an
agent sees of the arm, and the geometry of N states at once.

The arm turns about a vertical column (yaw), reaches with two links of equal length in the vertical
plane (shoulder, elbow), and keeps its gripper pointing down (wrist) and square to the desk (roll).
All lengths in metres, angles in radians; positions in the world frame, whose origin is the column's
foot.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import mujoco
import numpy as np

from roborew_envs.core.mjcf import load_world
from roborew_envs.core.task import BoolArray, FloatArray, Task
from roborew_envs.rendering.renderer import Overrides

LINK_LENGTH = 0.45
"""Length of the upper and of the fore link [m]."""
SHOULDER_HEIGHT = 0.30
"""Height of the shoulder above the desk's top [m]."""
TOOL_LENGTH = 0.165
"""From the wrist to the point between the finger tips [m]."""

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


class ArmTask(Task):
    """Shared by every task of the arm. The action is (dx, dy, dz, gripper): the hand's move in
    units of 4 cm and the gripper from closed (-1) to open (+1)."""

    scene: ClassVar[str]
    """File of the world in ``assets``; it includes ``arm.xml`` first."""
    cameras: ClassVar[tuple[str, ...]] = ("front", "side", "wrist")
    workspace_bounds: ClassVar[FloatArray] = WORKSPACE_BOUNDS
    substeps: ClassVar[int] = 10
    action_size: ClassVar[int] = 4
    robot_state: ClassVar[slice | None] = slice(0, 9)
    """What `proprioception` returns stands first in every observation."""
    robot_joints: ClassVar[slice | None] = slice(0, 7)
    """`ARM_JOINTS` and `FINGER_JOINTS`: ``arm.xml`` comes first in every scene."""

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
    def proprioception(ee: FloatArray, qpos: FloatArray, qvel: FloatArray) -> list[FloatArray]:
        """What the arm knows of itself: end effector (N, 3) [m], which is given, travel of the
        fingers (N, 2) [m], tenths of the velocities of its joints (N, 4) [rad/s]."""
        finger_travel = qpos[:, FINGER_JOINTS]
        joint_velocity = qvel[:, :4] * 0.1
        return [ee, finger_travel, joint_velocity]


def ee_position(qpos: FloatArray) -> FloatArray:
    """Position of the end effector, the point between the finger tips: forward kinematics.

    Args:
        qpos: shape (N, >= 4), the arm's joints first: yaw, shoulder, elbow, wrist [rad].

    Returns:
        shape (N, 3), world frame [m].
    """
    yaw, shoulder, elbow, wrist = qpos[:, :4].T
    # Angles of the links from the vertical: each joint turns all that follows it.
    upper_angle = shoulder
    fore_angle = upper_angle + elbow
    tool_angle = fore_angle + wrist
    horizontal = np.sin(upper_angle) + np.sin(fore_angle)
    vertical = np.cos(upper_angle) + np.cos(fore_angle)
    tool_horizontal = TOOL_LENGTH * np.sin(tool_angle)
    tool_vertical = TOOL_LENGTH * np.cos(tool_angle)
    radius = LINK_LENGTH * horizontal + tool_horizontal
    height = SHOULDER_HEIGHT + LINK_LENGTH * vertical + tool_vertical
    x = radius * np.cos(yaw)
    y = radius * np.sin(yaw)
    return np.stack([x, y, height], axis=1)


def inverse_kinematics(position: FloatArray) -> FloatArray:
    """Joint angles, elbow up and gripper down, that put the end effector at ``position``.

    The inverse of `ee_position` inside the reach; a point outside is reached for at full
    stretch.

    Args:
        position: shape (N, 3), world frame [m].

    Returns:
        shape (N, 5): yaw, shoulder, elbow, wrist, roll [rad].
    """
    x, y, z = position.T
    radius = np.hypot(x, y)
    yaw = np.arctan2(y, x)
    # The gripper points down, so the wrist is a tool's length above the end effector.
    rise = z + TOOL_LENGTH - SHOULDER_HEIGHT
    # Law of cosines in the triangle of two equal links; clipped where the point is out of reach.
    elbow_cosine = (radius**2 + rise**2) / (2 * LINK_LENGTH**2) - 1
    elbow = np.arccos(np.clip(elbow_cosine, -1, 1))
    shoulder = np.arctan2(radius, rise) - elbow / 2
    wrist = np.pi - shoulder - elbow
    roll = -yaw
    return np.stack([yaw, shoulder, elbow, wrist, roll], axis=1)


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


def distance(points: FloatArray, targets: FloatArray) -> FloatArray:
    """Euclidean distance of points, shape (N, 3) [m]: shape (N,) [m]."""
    return np.linalg.norm(points - targets, axis=1)


def horizontal_distance(points: FloatArray, targets: FloatArray) -> FloatArray:
    """Distance seen from above of points, shape (N, >= 2) [m]: shape (N,) [m]."""
    xy = points[:, :2]
    target_xy = targets[:, :2]
    return np.linalg.norm(xy - target_xy, axis=1)


def at_height(points: FloatArray, height: float) -> FloatArray:
    """The points, shape (N, >= 2) [m], moved to one height [m]: shape (N, 3) [m]."""
    heights = np.full(len(points), height)
    return np.column_stack([points[:, :2], heights])


def where_rows(mask: BoolArray, chosen: FloatArray, otherwise: FloatArray) -> FloatArray:
    """Rows of ``chosen`` where the mask, shape (N,), holds, and of ``otherwise``: shape (N, K)."""
    return np.where(mask[:, None], chosen, otherwise)


def rotate_about_z(points: FloatArray, angles: FloatArray) -> FloatArray:
    """Rotate points, shape (3,) or (N, 3), about the vertical axis by angles (N,) [rad]: (N, 3).

    >>> rotate_about_z(np.array([1.0, 0.0, 2.0]), np.array([np.pi / 2])).round(6).tolist()
    [[0.0, 1.0, 2.0]]
    """
    x, y, z = np.broadcast_to(points, (len(angles), 3)).T
    cosine = np.cos(angles)
    sine = np.sin(angles)
    rotated_x = cosine * x - sine * y
    rotated_y = sine * x + cosine * y
    return np.stack([rotated_x, rotated_y, z], axis=1)


def yaw_quaternion(angle: float) -> FloatArray:
    """Unit quaternion (w, x, y, z) of a rotation about the vertical by an angle [rad]."""
    half = angle / 2
    return np.array([np.cos(half), 0.0, 0.0, np.sin(half)])


def point_behind(points: FloatArray, goal: FloatArray, gap: float) -> FloatArray:
    """Points ``gap`` [m] behind others, shape (N, 3) [m], seen from a goal, shape (N, 2) [m].

    A hand there pushes a thing straight to its goal.
    """
    to_goal = goal - points[:, :2]
    length = np.linalg.norm(to_goal, axis=1)
    # At the goal there is no direction; any will do.
    safe_length = np.maximum(length, 1e-6)[:, None]
    behind = points.copy()
    behind[:, :2] -= gap * to_goal / safe_length
    return behind


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
