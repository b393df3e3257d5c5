"""Close the drawer, which stands open: done when its front is flush with the cabinet."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from roborew_envs.core.skill_set import SkillSet
from roborew_envs.core.task import BoolArray, FloatArray, IntArray, Language
from roborew_envs.tasks.arm_task import distance, ee_position, linear_tolerance
from roborew_envs.tasks.desk.scene import (
    CLOSED_TRAVEL,
    DRAWER,
    DRAWER_TRAVEL,
    OpenDrawerTask,
    drawer_handle_position,
)
from roborew_envs.tasks.desk.skills import press_button, pull_drawer, shut_drawer

NEAR_MISS_TRAVEL = 0.075
"""Travel at which a near miss leaves off [m]."""


class DrawerClose(OpenDrawerTask):
    """The hand closes in on the handle (to 0.3), then the drawer goes in."""

    id = "roborew/DrawerClose-v0"
    horizon = 64
    stages: ClassVar[tuple[str, ...]] = ("approach", "push", "closed")
    language = Language(
        instruction="close the drawer",
        paraphrases=(
            "push the drawer shut",
            "please shut the drawer",
            "slide the drawer back in",
            "push the open drawer into the cabinet",
            "could you close the drawer all the way",
            "the drawer is closed",
            "give the drawer a push so that it is closed",
            "robot, close the open drawer",
            "push at the handle until the drawer is shut",
            "get the drawer to slide closed",
            "go to the front of the drawer and then push it in",
            "with the gripper, shut the drawer",
        ),
        wrong_instructions=(
            "open the drawer",
            "pull the drawer out further",
            "do not close the drawer",
            "leave the drawer open",
            "close the window",
            "put the red cube into the drawer",
            "press the button so that the lamp lights up",
            "push the blue cube onto the green pad",
            "pull the drawer out of the cabinet",
            "drawer shut the slide into",
        ),
    )

    scripted_policy = SkillSet(
        expert=shut_drawer,
        undo=pull_drawer,
        wrong_object=press_button,
        hover_position=drawer_handle_position,
        stall_progress_range=(0.5, 0.7),
        near_miss_stop=lambda qpos: qpos[:, DRAWER] < NEAR_MISS_TRAVEL,
    )

    def success(self, qpos: FloatArray, qvel: FloatArray) -> BoolArray:
        travel: FloatArray = qpos[:, DRAWER]
        return travel <= CLOSED_TRAVEL

    def partial_progress(self, qpos: FloatArray, qvel: FloatArray) -> FloatArray:
        reach = distance(ee_position(qpos), drawer_handle_position(qpos))
        reached = linear_tolerance(np.maximum(reach - 0.03, 0), 0.45)
        left = (qpos[:, DRAWER] - CLOSED_TRAVEL) / (DRAWER_TRAVEL - CLOSED_TRAVEL)
        closed = 1 - np.clip(left, 0, 1)
        return 0.3 * reached + 0.69 * closed

    def partial_stage(self, qpos: FloatArray, qvel: FloatArray) -> IntArray:
        reach = distance(ee_position(qpos), drawer_handle_position(qpos))
        is_near = reach < 0.05
        return is_near.astype(np.int64)
