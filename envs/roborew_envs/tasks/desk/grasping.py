"""What a gripper can do with a thing, as reactive maps like those of `skills`: take it, carry it,
let it go."""

from __future__ import annotations

import numpy as np

from roborew_envs.core.task import BoolArray, FloatArray
from roborew_envs.tasks.arm_task import (
    FINGER_JOINTS,
    ee_position,
    is_within,
    linear_tolerance,
    reciprocal_tolerance,
)
from roborew_envs.tasks.desk.skills import TRAVEL_HEIGHT, approach_from_above

CARRY_HEIGHT = 0.165
"""Height at which the hand carries a thing, where nothing higher stands in the way [m]."""
WALL_CLEARANCE = 0.03
"""A thing so close above its goal is between walls, where there may be any: no need to lift it
again [m]."""
FINGER_CLEARANCE = 0.005
"""From a finger to the thing it is free of [m]."""
RELEASED_DISTANCE = 0.055
"""From the finger tips to the middle of a thing that they have left [m]."""
ALIGNED_DISTANCE = 0.03
"""A thing is over its goal when it is so near it, seen from above [m]."""
RETREAT_RISE = 0.04
"""The hand leaves a thing that it put down in sight: so far above the height at which it travels
[m]."""
MAX_CARRY_STEP = 0.022
"""Largest move in a step with a thing in the gripper [m]."""


def with_gripper(target: FloatArray, opening: FloatArray | float) -> FloatArray:
    """A place for the hand, shape (N, 3) [m], with the gripper's opening from -1 to +1: shape (N,
    4)."""
    return np.column_stack([target, np.broadcast_to(opening, len(target))])


def is_around_grip(qpos: FloatArray, grip: FloatArray) -> BoolArray:
    """The fingers are on both sides of ``grip``, shape (N, 3) [m]: shape (N,)."""
    return is_within(ee_position(qpos) - grip, (0.016, 0.016, 0.014))


def is_gripper_open(qpos: FloatArray, half: float) -> BoolArray:
    """The fingers are free of a thing of half width ``half`` [m], were it between them: shape
    (N,)."""
    return qpos[:, FINGER_JOINTS].mean(axis=1) > half + FINGER_CLEARANCE


def is_grasped(qpos: FloatArray, grip: FloatArray, half: float) -> BoolArray:
    """The fingers are closed on a thing of half width ``half`` [m] at ``grip``, shape (N, 3) [m]:
    shape (N,)."""
    return is_around_grip(qpos, grip) & (qpos[:, FINGER_JOINTS].mean(axis=1) < half + 0.002)


def is_released(qpos: FloatArray, thing: FloatArray, half: float) -> BoolArray:
    """The hand has left the thing at ``thing``, shape (N, 3) [m], or is open around it: shape
    (N,)."""
    return is_gripper_open(qpos, half) | (
        np.linalg.norm(ee_position(qpos) - thing, axis=1) > RELEASED_DISTANCE
    )


def grasp(
    qpos: FloatArray, grip: FloatArray, half: float, clear: float = TRAVEL_HEIGHT
) -> FloatArray:
    """Open the gripper at the height ``clear`` [m], go down over ``grip``, shape (N, 3) [m], and
    close it on a thing of half width ``half`` [m]."""
    around = is_around_grip(qpos, grip)
    over = grip.copy()
    over[:, 2] = clear
    down = np.where((around | is_gripper_open(qpos, half))[:, None], grip, over)
    return with_gripper(
        approach_from_above(ee_position(qpos), grip, down, 0.008, clear),
        np.where(around, -1.0, 1.0),
    )


def carry(
    qpos: FloatArray, thing: FloatArray, goal: FloatArray, height: float = CARRY_HEIGHT
) -> FloatArray:
    """With a thing in the gripper at ``thing``, (N, 3) [m]: lift it, travel with the hand at
    ``height`` [m], and let it down onto ``goal``, (N, 3) [m]."""
    tips, way = ee_position(qpos), goal - thing
    tolerance = np.where(way[:, 2] > -WALL_CLEARANCE, 0.015, 0.004)
    target = approach_from_above(tips, tips + way, tips + way, tolerance, height)
    return with_gripper(tips + np.clip(target - tips, -MAX_CARRY_STEP, MAX_CARRY_STEP), -1.0)


def release(qpos: FloatArray, half: float, clear: float = TRAVEL_HEIGHT) -> FloatArray:
    """Open the gripper and, once it is free of a thing of half width ``half`` [m], rise to
    ``clear`` [m]."""
    tips, free = ee_position(qpos), is_gripper_open(qpos, half)
    tips[free, 2] = np.minimum(tips[free, 2] + 0.05, clear)
    return with_gripper(tips, 1.0)


def pick_and_place(
    qpos: FloatArray,
    thing: FloatArray,
    goal: FloatArray,
    half: float,
    grip: FloatArray,
    height: float = CARRY_HEIGHT,
) -> FloatArray:
    """Take the thing at ``thing``, shape (N, 3) [m], by ``grip``, (3,) or (N, 3) [m] from its
    middle, carry it with the hand at ``height`` [m], put it down on ``goal``, (N, 3) [m], and leave
    it there."""
    clear = max(TRAVEL_HEIGHT, height)
    there = is_within(thing - goal, (0.012, 0.012, 0.006))
    taken = grasp(qpos, thing + grip, half, clear)
    target = np.where(
        is_grasped(qpos, thing + grip, half)[:, None], carry(qpos, thing, goal, height), taken
    )
    return np.where(there[:, None], release(qpos, half, clear + RETREAT_RISE), target)


def pick_and_place_progress(
    qpos: FloatArray, thing: FloatArray, rest: float, goal: FloatArray, half: float, lift: float
) -> FloatArray:
    """How far a thing is on its way to a place: reached (to 0.2), gripped, lifted, carried, let
    down; shape (N,).

    A way along the table counts nothing: carrying is worth as much as the thing is lifted. A thing
    below its goal is not over it, however near it is seen from above.

    Args:
        qpos: shape (N, nq).
        thing: the middle of the thing, shape (N, 3) [m].
        rest: its height where it stands at the start [m].
        goal: where it should come to rest, shape (N, 3) [m].
        half: half its width [m].
        lift: height of its middle at which it clears all that stands in its way [m].
    """
    reach = np.linalg.norm(ee_position(qpos) - thing, axis=1)
    apart = np.linalg.norm(thing[:, :2] - goal[:, :2], axis=1)
    below = np.maximum(goal[:, 2] - thing[:, 2] - 0.01, 0)
    over = linear_tolerance(
        np.maximum(apart - 0.5 * ALIGNED_DISTANCE, 0), 0.5 * ALIGNED_DISTANCE
    ) * linear_tolerance(below, 0.02)
    gripped = linear_tolerance(reach, 0.05) * linear_tolerance(
        np.abs(qpos[:, FINGER_JOINTS].mean(axis=1) - half), 0.01
    )
    lifted = np.maximum(np.clip((thing[:, 2] - rest) / (lift - rest), 0, 1), over)
    down = over * reciprocal_tolerance(np.abs(thing[:, 2] - goal[:, 2]), 0.02)
    return (
        0.2 * reciprocal_tolerance(reach, 0.08)
        + 0.1 * gripped
        + lifted * (0.25 + 0.36 * linear_tolerance(apart, 0.5))
        + 0.09 * down
    )
