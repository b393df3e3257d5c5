"""What a hand can do on the bench, as reactive maps: see `skills`."""

from __future__ import annotations

import numpy as np

from roborew_envs.arm_task import FINGERS, hand
from roborew_envs.bench import DOOR, HINGE, LEVER, TAP, on_door, on_lever, turned
from roborew_envs.skills import CLEAR, above_then
from roborew_envs.task import BoolArray, FloatArray

GAP = np.array([0.0445, -0.0875, 0.070])
"""The middle of the gap behind the door's handle, from the hinge's foot, door closed [m]."""
BESIDE = np.array([0.042, 0.072, 0.088])
"""Where the hand goes down to turn the lever on, from the tap's foot, tap closed [m]."""
CARRY = 0.165
"""Height at which the hand carries a peg over another [m]."""
BORDER = 0.03
"""Height of the walls of the socket and of the hole [m]."""
SWING = 0.4
"""How far ahead of a turning thing the hand aims [rad]."""


def swing_door(qpos: FloatArray, offset: FloatArray, ahead: float) -> FloatArray:
    """Put the fingers behind the handle and turn the door, ``ahead`` [rad] at a time."""
    tips, gap = hand(qpos) - offset, on_door(qpos, GAP)
    foot = np.column_stack([qpos[:, HINGE], np.zeros(len(qpos))])
    inside = (np.abs(turned(tips - foot, -qpos[:, DOOR]) - GAP) < [0.022, 0.022, 0.015]).all(axis=1)
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
    """Go down beside the lever and push it round: to the open end with ``way`` +1, to the closed one with -1."""
    tips, mirror = hand(qpos) - offset, np.array([way, 1, 1])
    foot = np.column_stack([qpos[:, TAP], np.zeros(len(qpos))])
    x, y, z = (turned(tips - foot, -qpos[:, LEVER]) * mirror).T
    ready = (x > 0.014) & (x < 0.065) & (np.abs(y - BESIDE[1]) < 0.025) & (z < BESIDE[2] + 0.014)
    start = on_lever(qpos, BESIDE * mirror)
    push = on_lever(qpos, BESIDE * [0.5 * way, 1, 1], SWING * way)
    return np.where(ready[:, None], push, above_then(tips, start, start, 0.012)) + offset


def turn_on(qpos: FloatArray, offset: FloatArray) -> FloatArray:
    """Turn the lever of the tap until the water runs."""
    return turn_lever(qpos, offset, 1)


def turn_off(qpos: FloatArray, offset: FloatArray) -> FloatArray:
    """Turn the lever back: what undoes `turn_on`."""
    return turn_lever(qpos, offset, -1)


def with_opening(target: FloatArray, opening: FloatArray | float) -> FloatArray:
    """A place for the hand, shape (N, 3) [m], with the gripper's opening from -1 to +1: shape (N, 4)."""
    return np.column_stack([target, np.broadcast_to(opening, len(target))])


def is_around(qpos: FloatArray, grip: FloatArray) -> BoolArray:
    """The fingers are on both sides of ``grip``, shape (N, 3) [m]: shape (N,)."""
    return (np.abs(hand(qpos) - grip) < [0.016, 0.016, 0.014]).all(axis=1)


def holds(qpos: FloatArray, grip: FloatArray, half: float) -> BoolArray:
    """The fingers are closed on a thing of half width ``half`` [m] at ``grip``, shape (N, 3) [m]: shape (N,)."""
    return is_around(qpos, grip) & (qpos[:, FINGERS].mean(axis=1) < half + 0.002)


def take(qpos: FloatArray, grip: FloatArray, half: float) -> FloatArray:
    """Open the gripper, go down over ``grip``, shape (N, 3) [m], and close on a thing of half width ``half`` [m]."""
    around = is_around(qpos, grip)
    over = grip.copy()
    over[:, 2] = CLEAR
    wide = qpos[:, FINGERS].mean(axis=1) > half + 0.008
    down = np.where((around | wide)[:, None], grip, over)
    return with_opening(above_then(hand(qpos), grip, down, 0.008), np.where(around, -1.0, 1.0))


def carry(qpos: FloatArray, thing: FloatArray, goal: FloatArray) -> FloatArray:
    """With a thing in the gripper at ``thing``, (N, 3) [m]: lift it, travel, and let it down onto ``goal``, (N, 3)."""
    tips, way = hand(qpos), goal - thing
    tolerance = np.where(
        way[:, 2] > -BORDER, 0.015, 0.004
    )  # once it is between walls there is no need to lift it again
    target = above_then(tips, tips + way, tips + way, tolerance, CARRY)
    return with_opening(tips + np.clip(target - tips, -0.022, 0.022), -1.0)


def let_go(qpos: FloatArray, half: float) -> FloatArray:
    """Open the gripper and, once it is free of a thing of half width ``half`` [m], rise."""
    tips = hand(qpos)
    free = qpos[:, FINGERS].mean(axis=1) > half + 0.006
    tips[free, 2] = np.minimum(tips[free, 2] + 0.05, CLEAR)
    return with_opening(tips, 1.0)
