"""What a hand can do on the bench, as reactive maps: see `skills`."""

from __future__ import annotations

import numpy as np

from roborew_envs.core.task import FloatArray
from roborew_envs.tasks.arm_task import hand, within
from roborew_envs.tasks.bench.scene import DOOR, HINGE, LEVER, TAP, on_door, on_lever, turned
from roborew_envs.tasks.desk.skills import above_then

GAP = np.array([0.0345, -0.0875, 0.070])
"""The middle of the gap behind the door's handle, from the hinge's foot, door closed [m]."""
BESIDE = np.array([0.042, 0.072, 0.088])
"""Where the hand goes down to turn the lever on, from the tap's foot, tap closed [m]."""
SWING = 0.4
"""How far ahead of a turning thing the hand aims [rad]."""


def swing_door(qpos: FloatArray, offset: FloatArray, ahead: float) -> FloatArray:
    """Put the fingers behind the handle and turn the door, ``ahead`` [rad] at a time."""
    tips, gap = hand(qpos) - offset, on_door(qpos, GAP)
    foot = np.column_stack([qpos[:, HINGE], np.zeros(len(qpos))])
    inside = within(turned(tips - foot, -qpos[:, DOOR]) - GAP, (0.022, 0.022, 0.015))
    blocked = (tips[:, 1] < gap[:, 1] - 0.05) & (np.abs(tips[:, 0] - gap[:, 0]) > 0.015)
    over = gap.copy()
    over[blocked, 1] = np.minimum(tips[blocked, 1], 0.05)  # first past the cabinet's corner
    approach = above_then(tips, over, np.where(blocked[:, None], over, gap), 0.010)
    return np.where(inside[:, None], on_door(qpos, GAP, ahead), approach) + offset


def pull_open(qpos: FloatArray, offset: FloatArray) -> FloatArray:
    """Pull the door open by its handle."""
    return swing_door(qpos, offset, SWING)


def push_shut(qpos: FloatArray, offset: FloatArray) -> FloatArray:
    """Push the door back with the fingers behind its handle: what undoes `pull_open`."""
    return swing_door(qpos, offset, -SWING)


def turn_lever(qpos: FloatArray, offset: FloatArray, way: int) -> FloatArray:
    """Go down beside the lever and push it round: to the open end with ``way`` +1, to the closed
    one with -1."""
    tips, mirror = hand(qpos) - offset, np.array([way, 1, 1])
    foot = np.column_stack([qpos[:, TAP], np.zeros(len(qpos))])
    x, y, z = (turned(tips - foot, -qpos[:, LEVER]) * mirror).T
    ready = (x > 0.006) & (x < 0.065) & (np.abs(y - BESIDE[1]) < 0.025) & (z < BESIDE[2] + 0.014)
    start = on_lever(qpos, BESIDE * mirror)
    push = on_lever(qpos, BESIDE * [0.5 * way, 1, 1], SWING * way)
    return np.where(ready[:, None], push, above_then(tips, start, start, 0.012)) + offset


def turn_on(qpos: FloatArray, offset: FloatArray) -> FloatArray:
    """Turn the lever of the tap until the water runs."""
    return turn_lever(qpos, offset, 1)


def turn_off(qpos: FloatArray, offset: FloatArray) -> FloatArray:
    """Turn the lever back: what undoes `turn_on`."""
    return turn_lever(qpos, offset, -1)
