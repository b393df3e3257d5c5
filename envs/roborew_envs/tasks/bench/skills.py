"""What a hand can do on the bench, as reactive maps: see `skills`."""

from __future__ import annotations

import numpy as np

from roborew_envs.core.task import FloatArray
from roborew_envs.tasks.arm_task import ee_position, is_within
from roborew_envs.tasks.bench.scene import (
    DOOR,
    HINGE,
    LEVER,
    TAP,
    door_to_world,
    lever_to_world,
    rotate_about_z,
)
from roborew_envs.tasks.desk.skills import approach_from_above

HANDLE_GAP = np.array([0.0345, -0.0875, 0.070])
"""The middle of the gap behind the door's handle, from the hinge's foot, door closed [m]."""
LEVER_START = np.array([0.042, 0.072, 0.088])
"""Where the hand goes down to turn the lever on, from the tap's foot, tap closed [m]."""
LOOKAHEAD = 0.4
"""How far ahead of a turning thing the hand aims [rad]."""


def swing_door(qpos: FloatArray, offset: FloatArray, ahead: float) -> FloatArray:
    """Put the fingers behind the handle and turn the door, ``ahead`` [rad] at a time."""
    tips, gap = ee_position(qpos) - offset, door_to_world(qpos, HANDLE_GAP)
    foot = np.column_stack([qpos[:, HINGE], np.zeros(len(qpos))])
    inside = is_within(
        rotate_about_z(tips - foot, -qpos[:, DOOR]) - HANDLE_GAP, (0.022, 0.022, 0.015)
    )
    blocked = (tips[:, 1] < gap[:, 1] - 0.05) & (np.abs(tips[:, 0] - gap[:, 0]) > 0.015)
    over = gap.copy()
    over[blocked, 1] = np.minimum(tips[blocked, 1], 0.05)  # first past the cabinet's corner
    approach = approach_from_above(tips, over, np.where(blocked[:, None], over, gap), 0.010)
    return np.where(inside[:, None], door_to_world(qpos, HANDLE_GAP, ahead), approach) + offset


def open_door(qpos: FloatArray, offset: FloatArray) -> FloatArray:
    """Pull the door open by its handle."""
    return swing_door(qpos, offset, LOOKAHEAD)


def close_door(qpos: FloatArray, offset: FloatArray) -> FloatArray:
    """Push the door back with the fingers behind its handle: what undoes `open_door`."""
    return swing_door(qpos, offset, -LOOKAHEAD)


def turn_lever(qpos: FloatArray, offset: FloatArray, way: int) -> FloatArray:
    """Go down beside the lever and push it round: to the open end with ``way`` +1, to the closed
    one with -1."""
    tips, mirror = ee_position(qpos) - offset, np.array([way, 1, 1])
    foot = np.column_stack([qpos[:, TAP], np.zeros(len(qpos))])
    x, y, z = (rotate_about_z(tips - foot, -qpos[:, LEVER]) * mirror).T
    ready = (
        (x > 0.006)
        & (x < 0.065)
        & (np.abs(y - LEVER_START[1]) < 0.025)
        & (z < LEVER_START[2] + 0.014)
    )
    start = lever_to_world(qpos, LEVER_START * mirror)
    push = lever_to_world(qpos, LEVER_START * [0.5 * way, 1, 1], LOOKAHEAD * way)
    return np.where(ready[:, None], push, approach_from_above(tips, start, start, 0.012)) + offset


def turn_tap_on(qpos: FloatArray, offset: FloatArray) -> FloatArray:
    """Turn the lever of the tap until the water runs."""
    return turn_lever(qpos, offset, 1)


def turn_tap_off(qpos: FloatArray, offset: FloatArray) -> FloatArray:
    """Turn the lever back: what undoes `turn_tap_on`."""
    return turn_lever(qpos, offset, -1)
