"""Tidy up: put the red cube into the open drawer, then close it; done when it is closed with the
cube inside."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from roborew_envs.core.skill_set import SkillSet
from roborew_envs.core.task import BoolArray, FloatArray, IntArray, Language
from roborew_envs.tasks.arm_task import (
    distance,
    ee_position,
    horizontal_distance,
    is_within,
    linear_tolerance,
    where_rows,
)
from roborew_envs.tasks.desk.grasping import (
    RELEASED_DISTANCE,
    pick_and_place,
    pick_and_place_progress,
    release,
    with_gripper,
)
from roborew_envs.tasks.desk.scene import (
    BLUE_CUBE,
    CLOSED_TRAVEL,
    CUBE_HALF_WIDTH,
    CUBE_HEIGHT,
    DRAWER,
    DRAWER_CENTER,
    DRAWER_TRAVEL,
    RED_CUBE,
    OpenDrawerTask,
    drawer_handle_position,
    drawer_to_world,
)
from roborew_envs.tasks.desk.skills import pull_drawer, shut_drawer
from roborew_envs.tasks.desk.stack import CUBE_GRIP

GOAL_OFFSET = np.array([0.0, -0.012, 0.0])
"""From the drawer's middle to where the cube should lie: away from the cabinet's front [m]."""
DRAWER_HALF_SIZE = np.array([0.045, 0.050, 0.012])
"""How far from the drawer's middle a cube may be that lies in it [m]."""
CARRY_HEIGHT = 0.175
"""Of the hand above the drawer's front [m]."""
LIFTED_HEIGHT = 0.15
"""Height of a carried cube's middle from which it clears the drawer's front [m]."""
NEAR_MISS_TRAVEL = 0.075
"""Travel at which a near miss leaves off [m]."""


def is_in_drawer(qpos: FloatArray, cube: slice) -> BoolArray:
    """Whether the cube at ``cube`` of qpos lies in the drawer, shape (N,)."""
    center = drawer_to_world(qpos, DRAWER_CENTER)
    return is_within(qpos[:, cube] - center, DRAWER_HALF_SIZE)


def tidy(qpos: FloatArray, cube: slice, offset: FloatArray) -> FloatArray:
    """Put the cube at ``cube`` of qpos into the drawer, rise, and push the drawer shut."""
    ee = ee_position(qpos)
    position = qpos[:, cube]
    goal = drawer_to_world(qpos, DRAWER_CENTER + GOAL_OFFSET) + offset
    filling = pick_and_place(qpos, position, goal, CUBE_HALF_WIDTH, CUBE_GRIP, CARRY_HEIGHT)
    # The hand leaves the cube upwards first: closing at once would catch it in the drawer.
    is_near = horizontal_distance(ee, position) < RELEASED_DISTANCE
    is_low = ee[:, 2] < CARRY_HEIGHT - 0.03
    leaving = release(qpos, CUBE_HALF_WIDTH, CARRY_HEIGHT)
    shutting = with_gripper(shut_drawer(qpos, offset, CARRY_HEIGHT), -1.0)
    closing = where_rows(is_near & is_low, leaving, shutting)
    return where_rows(is_in_drawer(qpos, cube), closing, filling)


def tidy_red(qpos: FloatArray, offset: FloatArray) -> FloatArray:
    """Put the red cube away."""
    return tidy(qpos, RED_CUBE, offset)


def tidy_blue(qpos: FloatArray, offset: FloatArray) -> FloatArray:
    """Put the blue cube away: the wrong object."""
    return tidy(qpos, BLUE_CUBE, offset)


class Tidy(OpenDrawerTask):
    """The red cube is taken, lifted and carried into the drawer (to 0.6), then the drawer goes
    in."""

    id = "roborew/Tidy-v0"
    horizon = 160
    stages: ClassVar[tuple[str, ...]] = ("approach", "carry", "in the drawer", "tidy")
    language = Language(
        instruction="put the red cube into the drawer and close it",
        paraphrases=(
            "place the red block in the drawer, then shut the drawer",
            "please tidy the red cube away into the drawer and close the drawer",
            "put the red cube away: into the drawer, and push it shut",
            "the red cube is in the closed drawer",
            "robot, drop the red box into the drawer and close the drawer",
            "store the red cube in the drawer and slide the drawer shut",
            "first put the red cube into the open drawer and then close it",
            "could you put the red block in the drawer and shut it",
            "close the drawer with the red cube inside",
            "pick up the red cube, let it down into the drawer, and push the drawer in",
            "tidy up the red cube, not the blue one, into the drawer and close it",
            "have the red cube end up inside the drawer with the drawer closed",
        ),
        wrong_instructions=(
            "put the blue cube into the drawer and close it",
            "tidy away the blue cube, not the red one",
            "take the red cube out of the drawer",
            "close the drawer and leave the red cube outside",
            "put the red cube into the drawer and leave it open",
            "do not put the red cube into the drawer",
            "put the red cube on top of the cabinet",
            "stack the red cube on the blue cube",
            "press the button so that the lamp lights up",
            "drawer the cube red into close and",
        ),
    )

    scripted_policy = SkillSet(
        expert=tidy_red,
        undo=lambda qpos, offset: with_gripper(pull_drawer(qpos, offset), -1.0),
        wrong_object=tidy_blue,
        hover_position=lambda qpos: qpos[:, RED_CUBE],
        stall_progress_range=(0.3, 0.45),
        near_miss_stop=lambda qpos: (
            is_in_drawer(qpos, RED_CUBE) & (qpos[:, DRAWER] < NEAR_MISS_TRAVEL)
        ),
    )

    def success(self, qpos: FloatArray, qvel: FloatArray) -> BoolArray:
        is_closed = qpos[:, DRAWER] <= CLOSED_TRAVEL
        return is_in_drawer(qpos, RED_CUBE) & is_closed

    def partial_progress(self, qpos: FloatArray, qvel: FloatArray) -> FloatArray:
        filled = pick_and_place_progress(
            qpos,
            thing=qpos[:, RED_CUBE],
            rest_height=CUBE_HEIGHT,
            goal=drawer_to_world(qpos, DRAWER_CENTER + GOAL_OFFSET),
            half_width=CUBE_HALF_WIDTH,
            lifted_height=LIFTED_HEIGHT,
        )
        travel = (qpos[:, DRAWER] - CLOSED_TRAVEL) / (DRAWER_TRAVEL - CLOSED_TRAVEL)
        opened = np.clip(travel, 0, 1)
        # A drawer that was shut too early must be opened again, so filling counts less then.
        while_filling = (0.3 + 0.3 * opened) * filled
        reach = distance(ee_position(qpos), drawer_handle_position(qpos))
        reached = linear_tolerance(reach, 0.4)
        while_closing = 0.6 + 0.1 * reached + 0.29 * (1 - opened)
        return np.where(is_in_drawer(qpos, RED_CUBE), while_closing, while_filling)

    def partial_stage(self, qpos: FloatArray, qvel: FloatArray) -> IntArray:
        height = qpos[:, RED_CUBE][:, 2]
        is_lifted = height > CUBE_HEIGHT + 0.01
        return np.where(is_in_drawer(qpos, RED_CUBE), 2, is_lifted.astype(np.int64))
