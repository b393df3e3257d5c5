"""What a hand can do on the desk: reactive maps from states to a place for the hand and an opening
of the gripper.

A skill goes on from any state: this is what takes over from an agent half-way, and what recovers.
It reads the simulator's state; an agent and a reward never do.
"""

from __future__ import annotations

import numpy as np

from roborew_envs.core.task import FloatArray
from roborew_envs.tasks.arm_task import (
    at_height,
    ee_position,
    horizontal_distance,
    is_within,
    where_rows,
)
from roborew_envs.tasks.desk.scene import (
    BLUE_CUBE,
    BUTTON_TOP,
    CUBE_HEIGHT,
    PAD,
    RED_CUBE,
    button_position,
    drawer_handle_position,
)

TRAVEL_HEIGHT = 0.125
"""Height at which the hand travels [m]."""
PUSH_DISTANCE = 0.052
"""Distance of the finger tips from a cube's centre from which they push it [m]."""
HANDLE_GAP = 0.0355
"""From the handle's middle to the middle of the gap behind it, along +y [m]."""


def approach_from_above(
    ee: FloatArray,
    over: FloatArray,
    down: FloatArray,
    tolerance: FloatArray | float = 0.012,
    travel_height: float = TRAVEL_HEIGHT,
) -> FloatArray:
    """Travel at a height until over a place, then go down to it.

    Args:
        ee: end effector, shape (N, 3) [m].
        over: the place to be above of, shape (N, 3) [m].
        down: where to go once there, shape (N, 3) [m].
        tolerance: horizontal distance within which the hand is over the place, (N,) or one [m].
        travel_height: height at which the hand travels [m].

    Returns:
        Target of the end effector, shape (N, 3) [m].
    """
    is_aligned = horizontal_distance(ee, over) < tolerance
    is_low = ee[:, 2] < travel_height - 0.03
    # Above the threshold, so that a servo that lags still passes it.
    lift = at_height(ee, travel_height + 0.02)
    travel = at_height(over, travel_height)
    above = where_rows(is_low, lift, travel)
    return where_rows(is_aligned, down, above)


def press_button(qpos: FloatArray, offset: FloatArray) -> FloatArray:
    """Come down on the button, or at ``offset`` (N, 3) [m] from it."""
    top = button_position(qpos) + offset
    down = top.copy()
    # Below the button's lowest place, so that the servo keeps pushing.
    down[:, 2] = BUTTON_TOP - 0.04 + offset[:, 2]
    return approach_from_above(ee_position(qpos), top, down, 0.02)


def push_cube(
    qpos: FloatArray, cube: slice, goal: FloatArray, height: float = CUBE_HEIGHT
) -> FloatArray:
    """Push a cube to a goal with the hand at ``height`` [m], then rise.

    Args:
        qpos: shape (N, nq).
        cube: where its position is in qpos.
        goal: shape (N, 2) [m].
        height: of the end effector while it pushes [m].
    """
    ee = ee_position(qpos)
    center = qpos[:, cube][:, :2]
    to_goal = goal - center
    left = np.linalg.norm(to_goal, axis=1, keepdims=True)
    direction = to_goal / np.maximum(left, 1e-6)
    from_cube = ee[:, :2] - center
    # The hand's place beside the cube, along the push (negative behind it) and across it [m].
    along = (from_cube * direction).sum(axis=1)
    across = from_cube - along[:, None] * direction
    is_behind = along < -0.025
    is_in_line = np.linalg.norm(across, axis=1) < 0.032
    is_low = ee[:, 2] < height + 0.02
    is_pushing = is_low & is_behind & is_in_line
    start = at_height(center - PUSH_DISTANCE * direction, height)
    approach = approach_from_above(ee, start, start)
    push = _push_target(ee, center, direction, across, left, height)
    target = where_rows(is_pushing, push, approach)
    # Hysteresis: a push goes on to 2 cm, but a cube that rests within 4.2 cm is not pushed again.
    reached_distance = np.where(is_pushing, 0.02, 0.042)
    is_reached = left[:, 0] < reached_distance
    retreat = at_height(ee, TRAVEL_HEIGHT)
    return where_rows(is_reached, retreat, target)


def _push_target(
    ee: FloatArray,
    center: FloatArray,
    direction: FloatArray,
    across: FloatArray,
    left: FloatArray,
    height: float,
) -> FloatArray:
    """The next place of a hand behind a cube, ``left`` (N, 1) [m] from its goal: (N, 3) [m]."""
    # The fingers are 36 mm from the center of a cube that they touch.
    ahead = center + direction * (np.minimum(0.6 * left, 0.020) - 0.036)
    # The fingers stick to the cube: moving across the push drags it to the side.
    steering = across * 0.8
    target = at_height(ahead + steering, height)
    # A faster push lets the cube slide on by itself.
    max_step = np.clip(0.2 * left, 0.006, 0.018)
    return ee + np.clip(target - ee, -max_step, max_step)


def push_red(qpos: FloatArray, offset: FloatArray) -> FloatArray:
    """Push the red cube onto the pad, or to ``offset`` (N, 3) [m] from it."""
    goal = qpos[:, PAD] + offset[:, :2]
    return push_cube(qpos, RED_CUBE, goal)


def push_blue(qpos: FloatArray, offset: FloatArray) -> FloatArray:
    """Push the blue cube onto the pad: the wrong object."""
    goal = qpos[:, PAD] + offset[:, :2]
    return push_cube(qpos, BLUE_CUBE, goal)


def pull_drawer(qpos: FloatArray, offset: FloatArray) -> FloatArray:
    """Hook the handle from behind and pull the drawer out."""
    bar = drawer_handle_position(qpos) + offset
    gap = bar + [0.0, HANDLE_GAP, -0.008]
    ee = ee_position(qpos)
    from_gap = ee - gap
    is_behind_bar = is_within(from_gap[:, :2], (0.045, 0.026))
    is_hooked = is_behind_bar & (ee[:, 2] < bar[:, 2] + 0.022)
    pull = gap - [0.0, 0.05, 0.0]
    approach = approach_from_above(ee, gap, gap, 0.011)
    return where_rows(is_hooked, pull, approach)


def shut_drawer(
    qpos: FloatArray, offset: FloatArray, travel_height: float = TRAVEL_HEIGHT
) -> FloatArray:
    """Push the drawer in by its handle: what undoes `pull_drawer`.

    Args:
        qpos: shape (N, nq).
        offset: shape (N, 3), from where the hand should push [m].
        travel_height: height at which the hand comes [m].
    """
    bar = drawer_handle_position(qpos) + offset
    front = bar - [0.0, 0.035, 0.0]
    ee = ee_position(qpos)
    _, ee_y, ee_z = ee.T
    _, bar_y, bar_z = bar.T
    is_in_front = ee_y < bar_y - 0.012
    is_level = np.abs(ee_z - bar_z) < 0.03
    into_cabinet = bar + [0.0, 0.06, 0.0]
    # A faster push lets the drawer slide on by itself.
    step = np.clip(into_cabinet - ee, -0.015, 0.015)
    push = ee + step
    approach = approach_from_above(ee, front, front, 0.02, travel_height)
    return where_rows(is_in_front & is_level, push, approach)


def push_red_away(qpos: FloatArray, offset: FloatArray) -> FloatArray:
    """Push the red cube off the pad, towards the middle of the desk: what undoes `push_red`."""
    middle = np.array([0.46, 0.0])
    side = np.where(qpos[:, PAD] >= middle, 1.0, -1.0)
    goal = middle + offset[:, :2] - 0.15 * side
    return push_cube(qpos, RED_CUBE, goal)
