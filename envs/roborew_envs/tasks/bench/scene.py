"""The bench that four manipulation tasks share: where its things stand, what an agent sees, what
shows success."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from roborew_envs.core.task import BoolArray, FloatArray
from roborew_envs.rendering.renderer import Overrides
from roborew_envs.tasks.arm_task import ArmTask, ee_position, is_within

BLUE_PEG = slice(7, 10)
ORANGE_PEG = slice(14, 17)
YELLOW_BLOCK = slice(21, 24)
RED_BLOCK = slice(28, 31)
SOCKET = slice(35, 37)
HOLE = slice(37, 39)
TAP = slice(39, 41)
LEVER = 41
HINGE = slice(42, 44)
DOOR = 44
"""Where things stand in qpos; positions [m], angles [rad]. A test reads these addresses from the
compiled model."""

EE_START_BOUNDS = np.array([[0.27, -0.16, 0.12], [0.38, 0.05, 0.20]])
"""Lowest and highest place of the hand at a start [m]: above the pegs, beside the cabinet."""
PEG_HEIGHT = 0.045
"""Centre of a peg that stands on the table [m]; it is twice as long."""
BOARD_TOP = 0.03
BLOCK_HEIGHT = 0.018
"""Centre of a block above what it lies on [m]; it is twice as high."""
HOLE_HALF_SIZE = np.array([0.045, 0.077])
"""Half of the hole's sides along x and y [m]."""
DOOR_TRAVEL = 1.7
OPEN_ANGLE = 1.0
"""Angle from which the door counts as open [rad]."""
LEVER_TRAVEL = 1.45
RUNNING_ANGLE = 1.0
"""Angle of the lever from which the water runs [rad]."""
HANDLE = np.array([0.062, -0.0875, 0.085])
"""The middle of the door's handle from the hinge's foot, door closed [m]."""
LEVER_TIP = np.array([0.0, 0.100, 0.095])
"""The knob of the lever from the tap's foot, tap closed [m]."""


def rotate_about_z(place: FloatArray, angle: FloatArray) -> FloatArray:
    """A place, shape (3,) or (N, 3) [m], turned about the vertical axis by each angle, shape (N,)
    [rad]: (N, 3)."""
    x, y, z = np.broadcast_to(place, (len(angle), 3)).T
    cos, sin = np.cos(angle), np.sin(angle)
    return np.stack([cos * x - sin * y, sin * x + cos * y, z], axis=1)


def door_to_world(qpos: FloatArray, point: FloatArray, ahead: float = 0.0) -> FloatArray:
    """Where a place of the closed door, from the hinge's foot [m], is once the door turns ``ahead``
    [rad] further."""
    foot = np.column_stack([qpos[:, HINGE], np.zeros(len(qpos))])
    return foot + rotate_about_z(point, qpos[:, DOOR] + ahead)


def lever_to_world(qpos: FloatArray, point: FloatArray, ahead: float = 0.0) -> FloatArray:
    """Where a place of the closed lever, from the tap's foot [m], is once the lever turns ``ahead``
    [rad] further."""
    foot = np.column_stack([qpos[:, TAP], np.zeros(len(qpos))])
    return foot + rotate_about_z(point, qpos[:, LEVER] + ahead)


def door_handle_position(qpos: FloatArray) -> FloatArray:
    """Middle of the door's handle, shape (N, 3) [m]."""
    return door_to_world(qpos, HANDLE)


def lever_tip_position(qpos: FloatArray) -> FloatArray:
    """Knob of the tap's lever, shape (N, 3) [m]."""
    return lever_to_world(qpos, LEVER_TIP)


def uprightness(qpos: FloatArray, peg: slice) -> FloatArray:
    """Cosine of the angle between a peg and the vertical, shape (N,): 1 where it stands, 0 where it
    lies."""
    quaternion = qpos[:, peg.stop : peg.stop + 4]
    w, x, y, z = (quaternion / np.linalg.norm(quaternion, axis=1, keepdims=True)).T
    return w**2 - x**2 - y**2 + z**2


def is_inserted(qpos: FloatArray, peg: slice) -> BoolArray:
    """The peg stands in the socket, shape (N,)."""
    inside = is_within(qpos[:, peg][:, :2] - qpos[:, SOCKET], (0.014, 0.014))
    return (
        inside
        & (np.abs(qpos[:, peg][:, 2] - PEG_HEIGHT) < 0.010)
        & (np.abs(uprightness(qpos, peg)) > 0.9)
    )


def is_in_hole(qpos: FloatArray, block: slice) -> BoolArray:
    """The block lies in the hole, or bounces there with most of it below the board's top, shape
    (N,)."""
    inside = is_within(qpos[:, block][:, :2] - qpos[:, HOLE], HOLE_HALF_SIZE)
    return inside & (np.abs(qpos[:, block][:, 2] - BLOCK_HEIGHT) < BLOCK_HEIGHT)


def is_water_running(qpos: FloatArray) -> BoolArray:
    """The lever is turned far enough, shape (N,)."""
    return qpos[:, LEVER] >= RUNNING_ANGLE


class BenchTask(ArmTask):
    """Shared by every task on the bench: its starts, what an agent sees, what lights up."""

    scene: ClassVar[str] = "bench.xml"

    def sample_initial_state(self, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        qpos = np.zeros(self.model.nq)
        qpos[HINGE] = rng.uniform([0.316, 0.255], [0.356, 0.285])
        qpos[TAP] = rng.uniform([0.43, -0.31], [0.48, -0.27])
        qpos[HOLE] = rng.uniform([0.60, -0.05], [0.63, 0.05])
        row = np.column_stack(
            [rng.uniform(0.31, 0.36, 3), [-0.14, -0.05, 0.04] + rng.uniform(-0.01, 0.01, 3)]
        )
        row = rng.permutation(row)
        qpos[SOCKET] = row[0]
        sides = rng.permutation([-0.037, 0.037]) + rng.uniform(-0.005, 0.005, 2)
        blocks = qpos[HOLE] + np.column_stack([rng.uniform(-0.15, -0.12, 2), sides])
        for thing, place, height in (
            (BLUE_PEG, row[1], PEG_HEIGHT),
            (ORANGE_PEG, row[2], PEG_HEIGHT),
            (YELLOW_BLOCK, blocks[0], BOARD_TOP + BLOCK_HEIGHT),
            (RED_BLOCK, blocks[1], BOARD_TOP + BLOCK_HEIGHT),
        ):
            turn = rng.uniform(-0.15, 0.15)
            qpos[thing] = *place, height
            qpos[thing.stop : thing.stop + 4] = np.cos(turn / 2), 0, 0, np.sin(turn / 2)
        self.sample_arm_state(rng, qpos, EE_START_BOUNDS)
        return qpos, np.zeros(self.model.nv)

    def observe(self, qpos: FloatArray, qvel: FloatArray) -> NDArray[np.float32]:
        tips, blue, yellow = ee_position(qpos), qpos[:, BLUE_PEG], qpos[:, YELLOW_BLOCK]
        angles = qpos[:, [DOOR, LEVER]]
        parts = [
            *self.proprioception(qpos, qvel),
            door_handle_position(qpos) - tips,
            lever_tip_position(qpos) - tips,
            angles,
            blue - tips,
            qpos[:, SOCKET] - tips[:, :2],
            qpos[:, SOCKET] - blue[:, :2],
            uprightness(qpos, BLUE_PEG)[:, None],
            yellow - tips,
            qpos[:, HOLE] - tips[:, :2],
            qpos[:, HOLE] - yellow[:, :2],
            qpos[:, ORANGE_PEG] - tips,
            qpos[:, RED_BLOCK] - tips,
        ]
        return np.concatenate(parts, axis=1).astype(np.float32)

    def visual_overrides(self, qpos: FloatArray) -> Overrides:
        """Water, and the lit twins of socket and hole, become visible in the states that call for
        them."""
        shown = {
            "jet": is_water_running(qpos),
            "pool": is_water_running(qpos),
            "socket_lit": is_inserted(qpos, BLUE_PEG),
            "hole_lit": is_in_hole(qpos, YELLOW_BLOCK),
        }
        ids = np.array([self.model.geom(name).id for name in shown])
        rgba = np.repeat(self.model.geom_rgba[ids][None].astype(np.float64), len(qpos), axis=0)
        rgba[:, :, 3] = np.column_stack(list(shown.values()))
        return Overrides({"geom_rgba": (ids, rgba)})
