"""What a gripper can do with a thing, as reactive maps like those of `skills`: take it, carry it,
let it go."""

from __future__ import annotations

import numpy as np

from roborew_envs.core.task import BoolArray, FloatArray
from roborew_envs.tasks.arm_task import (
    FINGER_JOINTS,
    at_height,
    distance,
    ee_position,
    horizontal_distance,
    is_within,
    linear_tolerance,
    reciprocal_tolerance,
    where_rows,
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
    """A target of the end effector with the gripper's opening as fourth column, shape (N, 4).

    Args:
        target: shape (N, 3) [m].
        opening: from -1 (closed) to +1 (open), shape (N,) or one for all.
    """
    openings = np.broadcast_to(opening, len(target))
    return np.column_stack([target, openings])


def half_opening(qpos: FloatArray) -> FloatArray:
    """Distance of a finger from the middle of the gripper, mean of both fingers, shape (N,) [m]."""
    finger_travel = qpos[:, FINGER_JOINTS]
    return finger_travel.mean(axis=1)


def is_around_grip(qpos: FloatArray, grip: FloatArray) -> BoolArray:
    """Whether the fingers are on both sides of ``grip``, shape (N, 3) [m]: shape (N,)."""
    offset = ee_position(qpos) - grip
    return is_within(offset, (0.016, 0.016, 0.014))


def is_gripper_open(qpos: FloatArray, half_width: float) -> BoolArray:
    """Whether the fingers would be free of a thing of half width ``half_width`` [m] between them:
    shape (N,)."""
    return half_opening(qpos) > half_width + FINGER_CLEARANCE


def is_grasped(qpos: FloatArray, grip: FloatArray, half_width: float) -> BoolArray:
    """Whether the fingers are closed on a thing of half width ``half_width`` [m] at ``grip``,
    shape (N, 3) [m]: shape (N,)."""
    is_closed = half_opening(qpos) < half_width + 0.002
    return is_around_grip(qpos, grip) & is_closed


def is_released(qpos: FloatArray, thing: FloatArray, half_width: float) -> BoolArray:
    """Whether the hand has left the thing at ``thing``, shape (N, 3) [m], or is open around it:
    shape (N,)."""
    is_away = distance(ee_position(qpos), thing) > RELEASED_DISTANCE
    return is_gripper_open(qpos, half_width) | is_away


def grasp(
    qpos: FloatArray, grip: FloatArray, half_width: float, travel_height: float = TRAVEL_HEIGHT
) -> FloatArray:
    """Open the gripper, go down over a grip, and close it on a thing.

    Args:
        qpos: shape (N, nq).
        grip: where the thing is held, shape (N, 3) [m].
        half_width: half the thing's width [m].
        travel_height: height at which the hand comes with open fingers [m].
    """
    is_around = is_around_grip(qpos, grip)
    # Down with closed fingers would land on the thing.
    may_go_down = is_around | is_gripper_open(qpos, half_width)
    down = where_rows(may_go_down, grip, at_height(grip, travel_height))
    target = approach_from_above(ee_position(qpos), grip, down, 0.008, travel_height)
    opening = np.where(is_around, -1.0, 1.0)
    return with_gripper(target, opening)


def carry(
    qpos: FloatArray, thing: FloatArray, goal: FloatArray, height: float = CARRY_HEIGHT
) -> FloatArray:
    """Carry a thing that is in the gripper: lift it, travel, and let it down onto the goal.

    Args:
        qpos: shape (N, nq).
        thing: its middle, shape (N, 3) [m].
        goal: where its middle should come to, shape (N, 3) [m].
        height: of the end effector while it travels [m].
    """
    ee = ee_position(qpos)
    to_goal = goal - thing
    ee_goal = ee + to_goal
    # Close above its goal the thing is between walls already: no lifting for a few millimeters.
    is_between_walls = to_goal[:, 2] > -WALL_CLEARANCE
    tolerance = np.where(is_between_walls, 0.015, 0.004)
    target = approach_from_above(ee, ee_goal, ee_goal, tolerance, height)
    # Friction alone holds the thing: larger steps shake it out of the fingers.
    step = np.clip(target - ee, -MAX_CARRY_STEP, MAX_CARRY_STEP)
    return with_gripper(ee + step, -1.0)


def release(
    qpos: FloatArray, half_width: float, travel_height: float = TRAVEL_HEIGHT
) -> FloatArray:
    """Open the gripper and, once it is free of a thing of half width ``half_width`` [m], rise to
    ``travel_height`` [m]."""
    target = ee_position(qpos)
    is_free = is_gripper_open(qpos, half_width)
    risen = target[is_free, 2] + 0.05
    target[is_free, 2] = np.minimum(risen, travel_height)
    return with_gripper(target, 1.0)


def pick_and_place(
    qpos: FloatArray,
    thing: FloatArray,
    goal: FloatArray,
    half_width: float,
    grip_offset: FloatArray,
    height: float = CARRY_HEIGHT,
) -> FloatArray:
    """Grasp a thing, carry it, put it down on a goal and leave it there.

    Args:
        qpos: shape (N, nq).
        thing: its middle, shape (N, 3) [m].
        goal: where its middle should come to, shape (N, 3) [m].
        half_width: half the thing's width [m].
        grip_offset: from its middle to where it is held, shape (3,) or (N, 3) [m].
        height: of the end effector while it carries [m].

    Returns:
        Target of the end effector [m] and opening of the gripper, shape (N, 4).
    """
    travel_height = max(TRAVEL_HEIGHT, height)
    grip = thing + grip_offset
    holding = is_grasped(qpos, grip, half_width)
    carrying = carry(qpos, thing, goal, height)
    grasping = grasp(qpos, grip, half_width, travel_height)
    moving = where_rows(holding, carrying, grasping)
    is_placed = is_within(thing - goal, (0.012, 0.012, 0.006))
    leaving = release(qpos, half_width, travel_height + RETREAT_RISE)
    return where_rows(is_placed, leaving, moving)


def pick_and_place_progress(
    qpos: FloatArray,
    thing: FloatArray,
    rest_height: float,
    goal: FloatArray,
    half_width: float,
    lifted_height: float,
) -> FloatArray:
    """Progress of `pick_and_place` in [0, 1): reached (to 0.2), gripped, lifted, carried, let down.

    Args:
        qpos: shape (N, nq).
        thing: its middle, shape (N, 3) [m].
        rest_height: of its middle where it stands at the start [m].
        goal: where it should come to rest, shape (N, 3) [m].
        half_width: half its width [m].
        lifted_height: of its middle, at which it clears all that stands in its way [m].
    """
    reach = distance(ee_position(qpos), thing)
    reached = reciprocal_tolerance(reach, 0.08)
    finger_error = np.abs(half_opening(qpos) - half_width)
    gripped = linear_tolerance(reach, 0.05) * linear_tolerance(finger_error, 0.01)
    height = thing[:, 2]
    goal_height = goal[:, 2]
    over = _over_goal(thing, goal)
    rise = (height - rest_height) / (lifted_height - rest_height)
    lifted = np.maximum(np.clip(rise, 0, 1), over)
    height_error = np.abs(height - goal_height)
    let_down = over * reciprocal_tolerance(height_error, 0.02)
    # A way along the table counts nothing: carrying is worth as much as the thing is lifted.
    apart = horizontal_distance(thing, goal)
    carried = lifted * (0.25 + 0.36 * linear_tolerance(apart, 0.5))
    return 0.2 * reached + 0.1 * gripped + carried + 0.09 * let_down


def _over_goal(thing: FloatArray, goal: FloatArray) -> FloatArray:
    """1 where a thing is over its goal, 0 from `ALIGNED_DISTANCE` beside it on, shape (N,)."""
    apart = horizontal_distance(thing, goal)
    # Half of the distance is free: the thing comes down well from anywhere in there.
    margin = 0.5 * ALIGNED_DISTANCE
    misaligned = np.maximum(apart - margin, 0)
    # A thing below its goal is not over it, however near it is seen from above.
    below = np.maximum(goal[:, 2] - thing[:, 2] - 0.01, 0)
    return linear_tolerance(misaligned, margin) * linear_tolerance(below, 0.02)
