"""Stack the red cube on the blue cube: done when it lies on it and the gripper has let go."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from roborew_envs.core.plan import Plan
from roborew_envs.core.task import BoolArray, FloatArray, IntArray, Language
from roborew_envs.tasks.desk.grasping import delivery, is_released, put
from roborew_envs.tasks.desk.scene import BLUE, CUBE, CUBE_HEIGHT, PAD, RED, DeskTask, hand

HEIGHT = 0.13
"""Of the hand while it carries a cube over the other [m]."""
LIFT = 0.09
"""Height of a carried cube's middle from which it clears the other [m]."""
ON_TOP = np.array([0.0, 0.0, 2 * CUBE])
"""From the middle of a cube to that of one on top of it [m]."""
ASIDE = np.array([0.062, 0.0, 0.0])
"""A near miss lets the cube go so far from there: it falls down beside the other [m]."""
BESIDE = 0.085
"""Distance between the cubes' middles, seen from above, once it lies there [m]."""
GRIP = np.zeros(3)


def stack_red(qpos: FloatArray, offset: FloatArray) -> FloatArray:
    """Put the red cube on the blue one."""
    return put(qpos, qpos[:, RED], qpos[:, BLUE] + ON_TOP + offset, CUBE, GRIP, HEIGHT)


def stack_blue(qpos: FloatArray, offset: FloatArray) -> FloatArray:
    """Put the blue cube on the red one: the wrong object."""
    return put(qpos, qpos[:, BLUE], qpos[:, RED] + ON_TOP + offset, CUBE, GRIP, HEIGHT)


def put_red_on_pad(qpos: FloatArray, offset: FloatArray, height: float = HEIGHT) -> FloatArray:
    """Put the red cube down on the green pad, where nothing else stands: what undoes
    `stack_red`."""
    goal = np.column_stack([qpos[:, PAD], np.full(len(qpos), CUBE_HEIGHT)]) + offset
    return put(qpos, qpos[:, RED], goal, CUBE, GRIP, height)


def is_beside(qpos: FloatArray) -> BoolArray:
    """The red cube lies on the desk close to the blue one, shape (N,)."""
    way = qpos[:, RED] - qpos[:, BLUE]
    return (np.linalg.norm(way[:, :2], axis=1) < BESIDE) & (way[:, 2] < CUBE)


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

    scripted_policy = Plan(
        expert=stack_red,
        undo=put_red_on_pad,
        wrong=stack_blue,
        over=lambda qpos: qpos[:, RED],
        stop=(0.5, 0.75),
        miss=lambda qpos: np.tile(ASIDE, (len(qpos), 1)),
        give_up=is_beside,
    )

    def success(self, qpos: FloatArray, qvel: FloatArray) -> BoolArray:
        red, blue = qpos[:, RED], qpos[:, BLUE]
        over = np.linalg.norm((red - blue)[:, :2], axis=1) < CUBE
        on_top = (
            over
            & (np.abs((red - blue)[:, 2] - ON_TOP[2]) < 0.006)
            & (np.abs(blue[:, 2] - CUBE_HEIGHT) < 0.006)
        )
        return on_top & is_released(qpos, red, CUBE)

    def partial_progress(self, qpos: FloatArray, qvel: FloatArray) -> FloatArray:
        return delivery(qpos, qpos[:, RED], CUBE_HEIGHT, qpos[:, BLUE] + ON_TOP, CUBE, LIFT)

    def partial_stage(self, qpos: FloatArray, qvel: FloatArray) -> IntArray:
        reached = np.linalg.norm(hand(qpos) - qpos[:, RED], axis=1) < 0.03
        return np.where(
            reached & (qpos[:, RED][:, 2] > CUBE_HEIGHT + 0.01), 2, np.where(reached, 1, 0)
        )
