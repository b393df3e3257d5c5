"""Stack the red cube on the blue cube: done when it lies on it and the gripper has let go."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from roborew_envs.core.skill_set import SkillSet
from roborew_envs.core.task import BoolArray, FloatArray, IntArray, Language
from roborew_envs.tasks.arm_task import at_height, distance, ee_position, horizontal_distance
from roborew_envs.tasks.desk.grasping import is_released, pick_and_place, pick_and_place_progress
from roborew_envs.tasks.desk.scene import (
    BLUE_CUBE,
    CUBE_HALF_WIDTH,
    CUBE_HEIGHT,
    PAD,
    RED_CUBE,
    DeskTask,
)

CARRY_HEIGHT = 0.13
"""Of the hand while it carries a cube over the other [m]."""
LIFTED_HEIGHT = 0.09
"""Height of a carried cube's middle from which it clears the other [m]."""
STACK_OFFSET = np.array([0.0, 0.0, 2 * CUBE_HALF_WIDTH])
"""From the middle of a cube to that of one on top of it [m]."""
NEAR_MISS_OFFSET = np.array([0.062, 0.0, 0.0])
"""A near miss lets the cube go so far from there: it falls down beside the other [m]."""
BESIDE_DISTANCE = 0.085
"""Distance between the cubes' middles, seen from above, once it lies there [m]."""
CUBE_GRIP = np.zeros(3)


def stack_red(qpos: FloatArray, offset: FloatArray) -> FloatArray:
    """Put the red cube on the blue one."""
    return pick_and_place(
        qpos,
        qpos[:, RED_CUBE],
        qpos[:, BLUE_CUBE] + STACK_OFFSET + offset,
        CUBE_HALF_WIDTH,
        CUBE_GRIP,
        CARRY_HEIGHT,
    )


def stack_blue(qpos: FloatArray, offset: FloatArray) -> FloatArray:
    """Put the blue cube on the red one: the wrong object."""
    return pick_and_place(
        qpos,
        qpos[:, BLUE_CUBE],
        qpos[:, RED_CUBE] + STACK_OFFSET + offset,
        CUBE_HALF_WIDTH,
        CUBE_GRIP,
        CARRY_HEIGHT,
    )


def put_red_on_pad(
    qpos: FloatArray, offset: FloatArray, height: float = CARRY_HEIGHT
) -> FloatArray:
    """Put the red cube down on the green pad, where nothing else stands: what undoes
    `stack_red`."""
    goal = at_height(qpos[:, PAD], CUBE_HEIGHT) + offset
    return pick_and_place(qpos, qpos[:, RED_CUBE], goal, CUBE_HALF_WIDTH, CUBE_GRIP, height)


def is_beside(qpos: FloatArray) -> BoolArray:
    """Whether the red cube lies on the desk close to the blue one, shape (N,)."""
    from_blue = qpos[:, RED_CUBE] - qpos[:, BLUE_CUBE]
    is_near = np.linalg.norm(from_blue[:, :2], axis=1) < BESIDE_DISTANCE
    is_on_desk = from_blue[:, 2] < CUBE_HALF_WIDTH
    return is_near & is_on_desk


class Stack(DeskTask):
    """The hand takes the red cube (to 0.3), lifts it, carries it over the blue one, lets it down
    and lets go."""

    id = "roborew/Stack-v0"
    horizon = 80
    stages: ClassVar[tuple[str, ...]] = ("approach", "grasp", "carry", "stacked")
    language = Language(
        instruction="stack the red cube on the blue cube",
        paraphrases=(
            "put the red block on top of the blue block",
            "please place the red cube on the blue one",
            "build a tower with the blue cube below and the red cube on top",
            "the red cube stands on the blue cube",
            "robot, set the red box on the blue box",
            "pick up the red cube and put it down on the blue cube",
            "could you stack the red block onto the blue block",
            "make a stack of the two cubes, with the red one on top",
            "lift the red cube and let it down onto the blue cube",
            "on the blue cube, stack the red cube",
            "kindly balance the red cube on top of the blue cube",
            "have the red cube end up on top of the blue cube",
        ),
        wrong_instructions=(
            "stack the blue cube on the red cube",
            "put the red cube beside the blue cube",
            "take the red cube off the blue cube",
            "do not stack the red cube on the blue cube",
            "put the red cube under the blue cube",
            "put the red cube on the green pad",
            "put the red cube on top of the cabinet",
            "leave the red cube on the desk",
            "press the button so that the lamp lights up",
            "blue the on red stack cube",
        ),
    )

    scripted_policy = SkillSet(
        expert=stack_red,
        undo=put_red_on_pad,
        wrong_object=stack_blue,
        hover_position=lambda qpos: qpos[:, RED_CUBE],
        stall_progress_range=(0.5, 0.75),
        near_miss_offset=lambda qpos: np.tile(NEAR_MISS_OFFSET, (len(qpos), 1)),
        near_miss_stop=is_beside,
    )

    def success(self, qpos: FloatArray, qvel: FloatArray) -> BoolArray:
        red = qpos[:, RED_CUBE]
        blue = qpos[:, BLUE_CUBE]
        is_over = horizontal_distance(red, blue) < CUBE_HALF_WIDTH
        height_error = (red - blue)[:, 2] - STACK_OFFSET[2]
        is_down = np.abs(height_error) < 0.006
        # Two cubes that lean against each other are no stack.
        blue_stands = np.abs(blue[:, 2] - CUBE_HEIGHT) < 0.006
        return is_over & is_down & blue_stands & is_released(qpos, red, CUBE_HALF_WIDTH)

    def partial_progress(self, qpos: FloatArray, qvel: FloatArray) -> FloatArray:
        return pick_and_place_progress(
            qpos,
            thing=qpos[:, RED_CUBE],
            rest_height=CUBE_HEIGHT,
            goal=qpos[:, BLUE_CUBE] + STACK_OFFSET,
            half_width=CUBE_HALF_WIDTH,
            lifted_height=LIFTED_HEIGHT,
        )

    def partial_stage(self, qpos: FloatArray, qvel: FloatArray) -> IntArray:
        return grasp_stage(qpos, qpos[:, RED_CUBE])


def grasp_stage(qpos: FloatArray, cube: FloatArray) -> IntArray:
    """Stage before success: 0 until the cube (N, 3) [m] is reached, 1 until it is lifted, 2 then:
    shape (N,)."""
    is_reached = distance(ee_position(qpos), cube) < 0.03
    is_lifted = cube[:, 2] > CUBE_HEIGHT + 0.01
    return np.where(is_reached & is_lifted, 2, is_reached.astype(np.int64))
