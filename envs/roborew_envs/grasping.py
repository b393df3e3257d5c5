"""What a gripper can do with a thing, as reactive maps like those of `skills`: take it, carry it, let it go."""

from __future__ import annotations

import numpy as np

from roborew_envs.arm_task import FINGERS, hand
from roborew_envs.skills import CLEAR, above_then
from roborew_envs.task import BoolArray, FloatArray

CARRY = 0.165
"""Height at which the hand carries a thing, where nothing higher stands in the way [m]."""
WALL = 0.03
"""A thing so close above its goal is between walls, where there may be any: no need to lift it again [m]."""
ROOM = 0.005
"""From a finger to the thing it is free of [m]."""
PACE = 0.022
"""Largest move in a step with a thing in the gripper [m]."""


def with_opening(target: FloatArray, opening: FloatArray | float) -> FloatArray:
    """A place for the hand, shape (N, 3) [m], with the gripper's opening from -1 to +1: shape (N, 4)."""
    return np.column_stack([target, np.broadcast_to(opening, len(target))])


def is_around(qpos: FloatArray, grip: FloatArray) -> BoolArray:
    """The fingers are on both sides of ``grip``, shape (N, 3) [m]: shape (N,)."""
    return (np.abs(hand(qpos) - grip) < [0.016, 0.016, 0.014]).all(axis=1)


def is_open(qpos: FloatArray, half: float) -> BoolArray:
    """The fingers are free of a thing of half width ``half`` [m], were it between them: shape (N,)."""
    return qpos[:, FINGERS].mean(axis=1) > half + ROOM


def holds(qpos: FloatArray, grip: FloatArray, half: float) -> BoolArray:
    """The fingers are closed on a thing of half width ``half`` [m] at ``grip``, shape (N, 3) [m]: shape (N,)."""
    return is_around(qpos, grip) & (qpos[:, FINGERS].mean(axis=1) < half + 0.002)


def take(qpos: FloatArray, grip: FloatArray, half: float, clear: float = CLEAR) -> FloatArray:
    """Open the gripper at the height ``clear`` [m], go down over ``grip``, shape (N, 3) [m], and close it on a thing
    of half width ``half`` [m]."""
    around = is_around(qpos, grip)
    over = grip.copy()
    over[:, 2] = clear
    down = np.where((around | is_open(qpos, half))[:, None], grip, over)
    return with_opening(above_then(hand(qpos), grip, down, 0.008, clear), np.where(around, -1.0, 1.0))


def carry(qpos: FloatArray, thing: FloatArray, goal: FloatArray, height: float = CARRY) -> FloatArray:
    """With a thing in the gripper at ``thing``, (N, 3) [m]: lift it, travel with the hand at ``height`` [m], and let
    it down onto ``goal``, (N, 3) [m]."""
    tips, way = hand(qpos), goal - thing
    tolerance = np.where(way[:, 2] > -WALL, 0.015, 0.004)
    target = above_then(tips, tips + way, tips + way, tolerance, height)
    return with_opening(tips + np.clip(target - tips, -PACE, PACE), -1.0)


def let_go(qpos: FloatArray, half: float, clear: float = CLEAR) -> FloatArray:
    """Open the gripper and, once it is free of a thing of half width ``half`` [m], rise to ``clear`` [m]."""
    tips, free = hand(qpos), is_open(qpos, half)
    tips[free, 2] = np.minimum(tips[free, 2] + 0.05, clear)
    return with_opening(tips, 1.0)


def put(
    qpos: FloatArray, thing: FloatArray, goal: FloatArray, half: float, grip: FloatArray, height: float = CARRY
) -> FloatArray:
    """Take the thing at ``thing``, shape (N, 3) [m], by ``grip``, (3,) or (N, 3) [m] from its middle, carry it with the
    hand at ``height`` [m], put it down on ``goal``, (N, 3) [m], and leave it there."""
    clear = np.maximum(CLEAR, height)
    there = (np.abs(thing - goal) < [0.012, 0.012, 0.006]).all(axis=1)
    taken = take(qpos, thing + grip, half, clear)
    target = np.where(holds(qpos, thing + grip, half)[:, None], carry(qpos, thing, goal, height), taken)
    return np.where(there[:, None], let_go(qpos, half, clear), target)
