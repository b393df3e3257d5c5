"""Open the drawer by its handle: done when it is out far enough to show its yellow inside."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from roborew_envs.core.skill_set import SkillSet
from roborew_envs.core.task import BoolArray, FloatArray, IntArray, Language
from roborew_envs.tasks.arm_task import distance, ee_position, linear_tolerance
from roborew_envs.tasks.desk.scene import DRAWER, OPEN_TRAVEL, DeskTask, drawer_handle_position
from roborew_envs.tasks.desk.skills import press_button, pull_drawer, shut_drawer


class DrawerOpen(DeskTask):
    """The hand closes in on the handle (to 0.3), then the drawer comes out."""

    id = "roborew/DrawerOpen-v0"
    horizon = 48
    train_timesteps = 90_000
    stages: ClassVar[tuple[str, ...]] = ("approach", "pull", "open")
    language = Language(
        instruction="open the drawer",
        paraphrases=(
            "pull the drawer open",
            "please slide the drawer open",
            "pull out the drawer",
            "grab the handle and pull the drawer open",
            "can you open the drawer all the way",
            "the drawer is open",
            "pull on the handle to open the drawer",
            "hook the gripper on the handle and pull the drawer open",
            "open up the drawer of the desk cabinet",
            "pull the drawer toward you until it is open",
            "reach for the drawer handle and pull it open",
            "take hold of the handle and slide the drawer open",
        ),
        wrong_instructions=(
            "close the drawer",
            "push the drawer shut",
            "do not open the drawer",
            "open nothing",
            "without opening the drawer, wait",
            "open the door",
            "put the red cube into the drawer",
            "press the button so that the lamp lights up",
            "push the red cube onto the green pad",
            "drawer the open green onto",
        ),
    )

    scripted_policy = SkillSet(
        expert=pull_drawer,
        undo=shut_drawer,
        wrong_object=press_button,
        hover_position=drawer_handle_position,
        stall_progress_range=(0.4, 0.6),
        near_miss_stop=lambda qpos: qpos[:, DRAWER] > 0.4 * OPEN_TRAVEL,
    )

    def success(self, qpos: FloatArray, qvel: FloatArray) -> BoolArray:
        travel: FloatArray = qpos[:, DRAWER]
        return travel >= OPEN_TRAVEL

    def partial_progress(self, qpos: FloatArray, qvel: FloatArray) -> FloatArray:
        reach = distance(ee_position(qpos), drawer_handle_position(qpos))
        reached = linear_tolerance(np.maximum(reach - 0.02, 0), 0.45)
        opened = np.clip(qpos[:, DRAWER] / OPEN_TRAVEL, 0, 1)
        return 0.3 * reached + 0.69 * opened

    def partial_stage(self, qpos: FloatArray, qvel: FloatArray) -> IntArray:
        reach = distance(ee_position(qpos), drawer_handle_position(qpos))
        is_near = reach < 0.05
        return is_near.astype(np.int64)
