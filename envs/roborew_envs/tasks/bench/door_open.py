"""Open the door of the cabinet by its handle: done when it is wide open and shows the yellow
inside."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from roborew_envs.core.skill_set import SkillSet
from roborew_envs.core.task import BoolArray, FloatArray, IntArray, Language
from roborew_envs.tasks.arm_task import distance, ee_position, linear_tolerance
from roborew_envs.tasks.bench.scene import (
    DOOR,
    OPEN_ANGLE,
    BenchTask,
    door_handle_position,
    door_to_world,
)
from roborew_envs.tasks.bench.skills import HANDLE_GAP, close_door, open_door, turn_tap_on


class DoorOpen(BenchTask):
    """The hand goes behind the handle (to 0.3), then the door turns."""

    id = "roborew/DoorOpen-v0"
    horizon = 56
    stages: ClassVar[tuple[str, ...]] = ("approach", "pull", "open")
    language = Language(
        instruction="open the door of the cabinet",
        paraphrases=(
            "open the door",
            "pull the cabinet door open",
            "please open the cabinet",
            "swing the door of the little cupboard open",
            "take the white handle and pull the door open",
            "could you open up the cabinet for me",
            "the door of the cabinet stands open",
            "robot, pull at the handle until the door is wide open",
            "get the cupboard door open",
            "with the gripper, swing the blue-green door open",
            "show the yellow inside of the cabinet by opening its door",
            "your task is to open the cabinet door",
        ),
        wrong_instructions=(
            "close the door of the cabinet",
            "push the door shut",
            "do not open the door",
            "keep the cabinet closed",
            "open the drawer",
            "turn on the tap",
            "insert the blue peg into the socket",
            "sweep the yellow block into the hole",
            "knock on the door",
            "door cabinet the of open swing",
        ),
    )

    scripted_policy = SkillSet(
        expert=open_door,
        undo=close_door,
        wrong_object=turn_tap_on,
        hover_position=door_handle_position,
        stall_progress_range=(0.4, 0.6),
        near_miss_stop=lambda qpos: qpos[:, DOOR] > 0.5 * OPEN_ANGLE,
    )

    def success(self, qpos: FloatArray, qvel: FloatArray) -> BoolArray:
        angle: FloatArray = qpos[:, DOOR]
        return angle >= OPEN_ANGLE

    def partial_progress(self, qpos: FloatArray, qvel: FloatArray) -> FloatArray:
        reach = distance(ee_position(qpos), door_to_world(qpos, HANDLE_GAP))
        reached = linear_tolerance(np.maximum(reach - 0.02, 0), 0.45)
        opened = np.clip(qpos[:, DOOR] / OPEN_ANGLE, 0, 1)
        return 0.3 * reached + 0.69 * opened

    def partial_stage(self, qpos: FloatArray, qvel: FloatArray) -> IntArray:
        reach = distance(ee_position(qpos), door_to_world(qpos, HANDLE_GAP))
        is_near = reach < 0.05
        return is_near.astype(np.int64)
