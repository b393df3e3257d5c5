"""What a hand can do on the desk: reactive maps from states to a place for the hand and an opening
of the gripper.

A skill goes on from any state: this is what takes over from an agent half-way, and what recovers.
It reads the simulator's state; an agent and a reward never do.
"""

from __future__ import annotations

import numpy as np

from roborew_envs.core.task import FloatArray
from roborew_envs.tasks.arm_task import is_within
from roborew_envs.tasks.desk.scene import (
    BLUE_CUBE,
    BUTTON_TOP,
    CUBE_HEIGHT,
    PAD,
    RED_CUBE,
    button_position,
    drawer_handle_position,
    ee_position,
)

TRAVEL_HEIGHT = 0.125
"""Height at which the hand travels [m]."""
PUSH_DISTANCE = 0.052
"""Distance of the finger tips from a cube's centre from which they push it [m]."""
HANDLE_GAP = 0.0355
"""From the handle's middle to the middle of the gap behind it, along +y [m]."""


def approach_from_above(
    tips: FloatArray,
    over: FloatArray,
    down: FloatArray,
    tolerance: FloatArray | float = 0.012,
    clear: float = TRAVEL_HEIGHT,
) -> FloatArray:
    """Travel at the height ``clear`` [m] until over the place, then go down to it."""
    aligned = np.linalg.norm(tips[:, :2] - over[:, :2], axis=1) < tolerance
    low = tips[:, 2] < clear - 0.03
    target = over.copy()
    target[:, 2] = clear
    lift = tips.copy()
    lift[:, 2] = clear + 0.02
    return np.where(aligned[:, None], down, np.where(low[:, None], lift, target))


def press_button(qpos: FloatArray, offset: FloatArray) -> FloatArray:
    """Come down on the button (or ``offset`` from it)."""
    top = button_position(qpos) + offset
    down = top.copy()
    down[:, 2] = BUTTON_TOP - 0.04 + offset[:, 2]
    return approach_from_above(ee_position(qpos), top, down, 0.02)


def push_cube(
    qpos: FloatArray, cube: slice, goal: FloatArray, height: float = CUBE_HEIGHT
) -> FloatArray:
    """Push the cube at ``cube`` of qpos to ``goal``, shape (N, 2) [m], with the hand at ``height``
    [m], then rise."""
    tips, place = ee_position(qpos), qpos[:, cube]
    way = goal - place[:, :2]
    left = np.linalg.norm(way, axis=1, keepdims=True)
    way = way / np.maximum(left, 1e-6)
    start = np.column_stack([place[:, :2] - PUSH_DISTANCE * way, np.full(len(qpos), height)])
    relative = tips[:, :2] - place[:, :2]
    along = (relative * way).sum(axis=1)
    aside = np.linalg.norm(relative - along[:, None] * way, axis=1)
    pushing = (tips[:, 2] < height + 0.02) & (along < -0.025) & (aside < 0.032)
    ahead = place[:, :2] + way * (np.minimum(0.6 * left, 0.020) - 0.036)
    steering = (
        relative - along[:, None] * way
    ) * 0.8  # the fingers stick to the cube: it is dragged to the side
    push = np.column_stack([ahead + steering, np.full(len(qpos), height)])
    pace = np.clip(0.2 * left, 0.006, 0.018)  # a faster push lets the cube slide on by itself
    push = tips + np.clip(push - tips, -pace, pace)
    target = np.where(pushing[:, None], push, approach_from_above(tips, start, start))
    done = np.column_stack([tips[:, :2], np.full(len(qpos), TRAVEL_HEIGHT)])
    return np.where(left < np.where(pushing, 0.02, 0.042)[:, None], done, target)


def push_red(qpos: FloatArray, offset: FloatArray) -> FloatArray:
    """Push the red cube onto the pad (or to ``offset`` from it)."""
    return push_cube(qpos, RED_CUBE, qpos[:, PAD] + offset[:, :2])


def push_blue(qpos: FloatArray, offset: FloatArray) -> FloatArray:
    """Push the blue cube to ``offset`` from the pad: the wrong object."""
    return push_cube(qpos, BLUE_CUBE, qpos[:, PAD] + offset[:, :2])


def pull_drawer(qpos: FloatArray, offset: FloatArray) -> FloatArray:
    """Hook the handle from behind and pull the drawer out."""
    bar = drawer_handle_position(qpos) + offset
    gap = bar + [0.0, HANDLE_GAP, -0.008]
    tips = ee_position(qpos)
    hooked = is_within((tips - gap)[:, :2], (0.045, 0.026)) & (tips[:, 2] < bar[:, 2] + 0.022)
    pull = gap - [0.0, 0.05, 0.0]
    return np.where(hooked[:, None], pull, approach_from_above(tips, gap, gap, 0.011))


def shut_drawer(qpos: FloatArray, offset: FloatArray, clear: float = TRAVEL_HEIGHT) -> FloatArray:
    """Push the drawer in by its handle, coming at the height ``clear`` [m]: what undoes
    `pull_drawer`."""
    bar = drawer_handle_position(qpos) + offset
    front = bar - [0.0, 0.035, 0.0]
    tips = ee_position(qpos)
    ready = (tips[:, 1] < bar[:, 1] - 0.012) & (np.abs(tips[:, 2] - bar[:, 2]) < 0.03)
    push = tips + np.clip(
        bar + [0.0, 0.06, 0.0] - tips, -0.015, 0.015
    )  # a faster push lets the drawer slide on
    return np.where(ready[:, None], push, approach_from_above(tips, front, front, 0.02, clear))


def push_red_away(qpos: FloatArray, offset: FloatArray) -> FloatArray:
    """Push the red cube off the pad, towards the middle of the desk: what undoes `push_red`."""
    middle = np.array([0.46, 0.0])
    side = np.where(qpos[:, PAD] >= middle, 1.0, -1.0)
    return push_cube(qpos, RED_CUBE, middle + offset[:, :2] - 0.15 * side)
