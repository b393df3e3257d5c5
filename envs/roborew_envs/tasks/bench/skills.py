"""What a hand can do on the bench, as reactive maps: see `skills`."""

from __future__ import annotations

import numpy as np

from roborew_envs.core.task import FloatArray
from roborew_envs.tasks.arm_task import at_height, ee_position, is_within, where_rows
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


def swing_door(qpos: FloatArray, offset: FloatArray, lookahead: float) -> FloatArray:
    """Put the fingers behind the handle and turn the door.

    Args:
        qpos: shape (N, nq).
        offset: shape (N, 3), by which the hand misses [m].
        lookahead: angle by which the target is ahead of the door, its sign is the way [rad].
    """
    ee = ee_position(qpos) - offset
    gap = door_to_world(qpos, HANDLE_GAP)
    hinge = at_height(qpos[:, HINGE], 0.0)
    door_angle = qpos[:, DOOR]
    ee_in_door_frame = rotate_about_z(ee - hinge, -door_angle)
    is_in_gap = is_within(ee_in_door_frame - HANDLE_GAP, (0.022, 0.022, 0.015))
    ee_x, ee_y, _ = ee.T
    gap_x, gap_y, _ = gap.T
    is_short = ee_y < gap_y - 0.05
    is_aside = np.abs(ee_x - gap_x) > 0.015
    is_blocked = is_short & is_aside
    # The cabinet's corner is in the way: first pass it along x, at a y where there is room.
    over = gap.copy()
    over[is_blocked, 1] = np.minimum(ee_y[is_blocked], 0.05)
    down = where_rows(is_blocked, over, gap)
    approach = approach_from_above(ee, over, down, 0.010)
    swing = door_to_world(qpos, HANDLE_GAP, lookahead)
    return where_rows(is_in_gap, swing, approach) + offset


def open_door(qpos: FloatArray, offset: FloatArray) -> FloatArray:
    """Pull the door open by its handle."""
    return swing_door(qpos, offset, LOOKAHEAD)


def close_door(qpos: FloatArray, offset: FloatArray) -> FloatArray:
    """Push the door back with the fingers behind its handle: what undoes `open_door`."""
    return swing_door(qpos, offset, -LOOKAHEAD)


def turn_lever(qpos: FloatArray, offset: FloatArray, direction: int) -> FloatArray:
    """Go down beside the lever and push it round.

    Args:
        qpos: shape (N, nq).
        offset: shape (N, 3), by which the hand misses [m].
        direction: +1 turns to the open end, -1 to the closed one.
    """
    ee = ee_position(qpos) - offset
    # In the lever's frame, to turn back is the mirror image of to turn on.
    mirror = np.array([direction, 1, 1])
    foot = at_height(qpos[:, TAP], 0.0)
    ee_in_lever_frame = rotate_about_z(ee - foot, -qpos[:, LEVER])
    x, y, z = (ee_in_lever_frame * mirror).T
    is_beside = (x > 0.006) & (x < 0.065)
    is_near_knob = np.abs(y - LEVER_START[1]) < 0.025
    is_low = z < LEVER_START[2] + 0.014
    is_ready = is_beside & is_near_knob & is_low
    start = lever_to_world(qpos, LEVER_START * mirror)
    # Half as far aside as at the start: the fingers lean on the lever.
    contact = LEVER_START * [0.5 * direction, 1, 1]
    push = lever_to_world(qpos, contact, LOOKAHEAD * direction)
    approach = approach_from_above(ee, start, start, 0.012)
    return where_rows(is_ready, push, approach) + offset


def turn_tap_on(qpos: FloatArray, offset: FloatArray) -> FloatArray:
    """Turn the lever of the tap until the water runs."""
    return turn_lever(qpos, offset, 1)


def turn_tap_off(qpos: FloatArray, offset: FloatArray) -> FloatArray:
    """Turn the lever back: what undoes `turn_tap_on`."""
    return turn_lever(qpos, offset, -1)
