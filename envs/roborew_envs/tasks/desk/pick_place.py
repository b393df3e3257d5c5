"""Put the red cube on top of the cabinet: done when it stands there and the gripper has let go."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from roborew_envs.core.skill_set import SkillSet
from roborew_envs.core.task import BoolArray, FloatArray, IntArray, Language
from roborew_envs.tasks.arm_task import WORKSPACE_BOUNDS, is_within
from roborew_envs.tasks.desk.grasping import is_released, pick_and_place, pick_and_place_progress
from roborew_envs.tasks.desk.scene import (
    BLUE_CUBE,
    CABINET,
    CUBE_HALF_WIDTH,
    CUBE_HEIGHT,
    RED_CUBE,
    DeskTask,
)
from roborew_envs.tasks.desk.stack import CUBE_GRIP, grasp_stage, put_red_on_pad

CABINET_TOP = np.array([0.0, 0.38, 0.14 + CUBE_HALF_WIDTH])
"""Centre of a cube in the middle of the cabinet's top, relative to the cabinet's place along x
[m]."""
CABINET_TOP_HALF_SIZE = np.array([0.085, 0.075])
"""Half of the top's sides along x and y [m]."""
GOAL_OFFSET = np.array([0.0, -0.03, 0.0])
"""From the middle of the top to where the cube should stand, in sight [m]."""
CARRY_HEIGHT = 0.215
"""Of the hand while it carries a cube onto the cabinet [m]."""
LIFTED_HEIGHT = 0.18
"""Height of a carried cube's middle from which it clears the cabinet [m]."""
NEAR_MISS_DISTANCE = 0.05
"""A near miss carries the cube so close to its goal, and keeps it [m]."""


def goal_position(qpos: FloatArray) -> FloatArray:
    """Where a cube should stand on the cabinet, shape (N, 3), world [m]."""
    cabinet_x = qpos[:, CABINET, None]
    return CABINET_TOP + GOAL_OFFSET + cabinet_x * [1, 0, 0]


def put_red_on_top(qpos: FloatArray, offset: FloatArray) -> FloatArray:
    """Put the red cube on the cabinet."""
    return pick_and_place(
        qpos,
        qpos[:, RED_CUBE],
        goal_position(qpos) + offset,
        CUBE_HALF_WIDTH,
        CUBE_GRIP,
        CARRY_HEIGHT,
    )


def put_blue_on_top(qpos: FloatArray, offset: FloatArray) -> FloatArray:
    """Put the blue cube on the cabinet: the wrong object."""
    return pick_and_place(
        qpos,
        qpos[:, BLUE_CUBE],
        goal_position(qpos) + offset,
        CUBE_HALF_WIDTH,
        CUBE_GRIP,
        CARRY_HEIGHT,
    )


class PickPlace(DeskTask):
    """The hand takes the red cube (to 0.3), lifts it, carries it over the cabinet, lets it down and
    lets go."""

    id = "roborew/PickPlace-v0"
    horizon = 128
    workspace_bounds = np.array(
        [
            WORKSPACE_BOUNDS[0],
            [WORKSPACE_BOUNDS[1, 0], CABINET_TOP[1] + 0.02, WORKSPACE_BOUNDS[1, 2]],
        ]
    )
    stages: ClassVar[tuple[str, ...]] = ("approach", "grasp", "carry", "on the cabinet")
    language = Language(
        instruction="put the red cube on top of the cabinet",
        paraphrases=(
            "place the red block on the cabinet",
            "please set the red cube on top of the brown cabinet",
            "pick up the red cube and put it on the cabinet",
            "the red cube stands on top of the cabinet",
            "robot, move the red box onto the cabinet",
            "lift the red cube and let it down on the cabinet",
            "could you put the red block up on the cabinet",
            "take the red cube, not the blue one, and place it on the cabinet",
            "grasp the red block and carry it onto the top of the cabinet",
            "on top of the cabinet, put the red cube",
            "kindly bring the red cube up onto the cabinet",
            "have the red cube end up on top of the wooden cabinet",
        ),
        wrong_instructions=(
            "put the blue cube on top of the cabinet",
            "put the blue cube, not the red one, on the cabinet",
            "take the red cube down from the cabinet",
            "do not put the red cube on the cabinet",
            "put the red cube into the drawer of the cabinet",
            "put the red cube on the green pad",
            "stack the red cube on the blue cube",
            "leave the red cube on the desk",
            "open the drawer",
            "cabinet cube of the red put top",
        ),
    )

    scripted_policy = SkillSet(
        expert=put_red_on_top,
        undo=lambda qpos, offset: put_red_on_pad(qpos, offset, CARRY_HEIGHT),
        wrong_object=put_blue_on_top,
        hover_position=lambda qpos: qpos[:, RED_CUBE],
        stall_progress_range=(0.5, 0.75),
        near_miss_stop=lambda qpos: (
            np.linalg.norm((qpos[:, RED_CUBE] - goal_position(qpos))[:, :2], axis=1)
            < NEAR_MISS_DISTANCE
        ),
    )

    def success(self, qpos: FloatArray, qvel: FloatArray) -> BoolArray:
        red = qpos[:, RED_CUBE]
        cabinet_x = qpos[:, CABINET, None]
        from_top = red - CABINET_TOP - cabinet_x * [1, 0, 0]
        is_over = is_within(from_top[:, :2], CABINET_TOP_HALF_SIZE)
        is_down = np.abs(from_top[:, 2]) < 0.006
        return is_over & is_down & is_released(qpos, red, CUBE_HALF_WIDTH)

    def partial_progress(self, qpos: FloatArray, qvel: FloatArray) -> FloatArray:
        return pick_and_place_progress(
            qpos,
            thing=qpos[:, RED_CUBE],
            rest_height=CUBE_HEIGHT,
            goal=goal_position(qpos),
            half_width=CUBE_HALF_WIDTH,
            lifted_height=LIFTED_HEIGHT,
        )

    def partial_stage(self, qpos: FloatArray, qvel: FloatArray) -> IntArray:
        return grasp_stage(qpos, qpos[:, RED_CUBE])
