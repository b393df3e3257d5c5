"""The bench that four manipulation tasks share: where its things stand, what an agent sees, what
shows success."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from roborew_envs.core.task import BoolArray, FloatArray
from roborew_envs.rendering.renderer import Overrides
from roborew_envs.tasks.arm_task import (
    ArmTask,
    at_height,
    ee_position,
    geom_opacities,
    is_within,
    place_thing,
    rotate_about_z,
)

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


def door_to_world(qpos: FloatArray, point: FloatArray, lookahead: float = 0.0) -> FloatArray:
    """World position of a point of the door, shape (N, 3) [m].

    Args:
        qpos: shape (N, nq).
        point: shape (3,), from the hinge's foot, door closed [m].
        lookahead: angle that the door is to be turned further first [rad].
    """
    foot = at_height(qpos[:, HINGE], 0.0)
    angle = qpos[:, DOOR] + lookahead
    return foot + rotate_about_z(point, angle)


def lever_to_world(qpos: FloatArray, point: FloatArray, lookahead: float = 0.0) -> FloatArray:
    """World position of a point of the tap's lever, shape (N, 3) [m].

    Args:
        qpos: shape (N, nq).
        point: shape (3,), from the tap's foot, tap closed [m].
        lookahead: angle that the lever is to be turned further first [rad].
    """
    foot = at_height(qpos[:, TAP], 0.0)
    angle = qpos[:, LEVER] + lookahead
    return foot + rotate_about_z(point, angle)


def door_handle_position(qpos: FloatArray) -> FloatArray:
    """Middle of the door's handle, shape (N, 3) [m]."""
    return door_to_world(qpos, HANDLE)


def lever_tip_position(qpos: FloatArray) -> FloatArray:
    """Knob of the tap's lever, shape (N, 3) [m]."""
    return lever_to_world(qpos, LEVER_TIP)


def peg_uprightness(qpos: FloatArray, peg: slice) -> FloatArray:
    """Cosine of the angle between a peg and the vertical, shape (N,): 1 where it stands, 0 where it
    lies."""
    quaternion = qpos[:, peg.stop : peg.stop + 4]
    norm = np.linalg.norm(quaternion, axis=1, keepdims=True)
    w, x, y, z = (quaternion / norm).T
    return w**2 - x**2 - y**2 + z**2


def is_inserted(qpos: FloatArray, peg: slice) -> BoolArray:
    """Whether the peg stands in the socket, shape (N,)."""
    position = qpos[:, peg]
    is_over = is_within(position[:, :2] - qpos[:, SOCKET], (0.014, 0.014))
    is_down = np.abs(position[:, 2] - PEG_HEIGHT) < 0.010
    # Either way up: the peg is the same turned over.
    is_upright = np.abs(peg_uprightness(qpos, peg)) > 0.9
    return is_over & is_down & is_upright


def is_in_hole(qpos: FloatArray, block: slice) -> BoolArray:
    """Whether the block lies in the hole, or bounces there with most of it below the board's top,
    shape (N,)."""
    position = qpos[:, block]
    from_hole = position[:, :2] - qpos[:, HOLE]
    is_over = is_within(from_hole, HOLE_HALF_SIZE)
    height_error = np.abs(position[:, 2] - BLOCK_HEIGHT)
    is_low = height_error < BLOCK_HEIGHT
    return is_over & is_low


def is_water_running(qpos: FloatArray) -> BoolArray:
    """Whether the lever is turned far enough, shape (N,)."""
    angle: FloatArray = qpos[:, LEVER]
    return angle >= RUNNING_ANGLE


class BenchTask(ArmTask):
    """Shared by every task on the bench: its starts, what an agent sees, what lights up."""

    scene: ClassVar[str] = "bench.xml"

    def sample_initial_state(self, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        qpos = np.zeros(self.model.nq)
        qpos[HINGE] = rng.uniform([0.316, 0.255], [0.356, 0.285])
        qpos[TAP] = rng.uniform([0.43, -0.31], [0.48, -0.27])
        qpos[HOLE] = rng.uniform([0.60, -0.05], [0.63, 0.05])
        qpos[SOCKET], blue_peg, orange_peg = self._sample_row(rng)
        yellow_block, red_block = self._sample_blocks(rng, qpos[HOLE])
        # Blocks lie on the board, in which the hole is; pegs stand on the table.
        on_board = BOARD_TOP + BLOCK_HEIGHT
        for thing, place, height in (
            (BLUE_PEG, blue_peg, PEG_HEIGHT),
            (ORANGE_PEG, orange_peg, PEG_HEIGHT),
            (YELLOW_BLOCK, yellow_block, on_board),
            (RED_BLOCK, red_block, on_board),
        ):
            yaw = rng.uniform(-0.15, 0.15)
            place_thing(qpos, thing, place, height, yaw)
        self.sample_arm_state(rng, qpos, EE_START_BOUNDS)
        return qpos, np.zeros(self.model.nv)

    @staticmethod
    def _sample_row(rng: np.random.Generator) -> FloatArray:
        """Draw places (x, y) of socket, blue and orange peg, in a row in any order: (3, 2) [m]."""
        x = rng.uniform(0.31, 0.36, 3)
        y = [-0.14, -0.05, 0.04] + rng.uniform(-0.01, 0.01, 3)
        return rng.permutation(np.column_stack([x, y]))

    @staticmethod
    def _sample_blocks(rng: np.random.Generator, hole: FloatArray) -> FloatArray:
        """Draw places (x, y) of the yellow and the red block before the hole: (2, 2) [m]."""
        sides = rng.permutation([-0.037, 0.037])
        y = sides + rng.uniform(-0.005, 0.005, 2)
        x = rng.uniform(-0.15, -0.12, 2)
        return hole + np.column_stack([x, y])

    def observe(self, qpos: FloatArray, qvel: FloatArray) -> NDArray[np.float32]:
        ee = ee_position(qpos)
        peg = qpos[:, BLUE_PEG]
        block = qpos[:, YELLOW_BLOCK]
        socket = qpos[:, SOCKET]
        hole = qpos[:, HOLE]
        angles = qpos[:, [DOOR, LEVER]]
        terms = [
            *self.proprioception(ee, qpos, qvel),
            door_handle_position(qpos) - ee,
            lever_tip_position(qpos) - ee,
            angles,
            peg - ee,
            socket - ee[:, :2],
            socket - peg[:, :2],
            peg_uprightness(qpos, BLUE_PEG)[:, None],
            block - ee,
            hole - ee[:, :2],
            hole - block[:, :2],
            qpos[:, ORANGE_PEG] - ee,
            qpos[:, RED_BLOCK] - ee,
        ]
        return np.concatenate(terms, axis=1).astype(np.float32)

    def visual_overrides(self, qpos: FloatArray) -> Overrides:
        """Opacity of the water and of the lit twins of socket and hole: visible in the states that
        call for them."""
        water = is_water_running(qpos)
        opacities = {
            "jet": water,
            "pool": water,
            "socket_lit": is_inserted(qpos, BLUE_PEG),
            "hole_lit": is_in_hole(qpos, YELLOW_BLOCK),
        }
        return geom_opacities(self.model, opacities)
