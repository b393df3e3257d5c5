"""Press the button: done when it is down far enough, which lights the lamp. The button stays
down."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from roborew_envs.core.skill_set import SkillSet
from roborew_envs.core.task import BoolArray, FloatArray, IntArray, Language
from roborew_envs.tasks.arm_task import distance, ee_position, linear_tolerance
from roborew_envs.tasks.desk.scene import (
    BUTTON,
    PRESSED_TRAVEL,
    DeskTask,
    button_position,
    is_lamp_lit,
)
from roborew_envs.tasks.desk.skills import press_button, push_red

NEAR_MISS_OFFSET = np.array([0.0, 0.0, 0.047])
"""Not far enough down by this much [m]: what a near miss does."""


class Press(DeskTask):
    """The hand closes in on the button (to 0.6), then the button goes down."""

    id = "roborew/Press-v0"
    horizon = 48
    train_timesteps = 80_000
    stages: ClassVar[tuple[str, ...]] = ("approach", "press", "lit")
    language = Language(
        instruction="press the button so that the lamp lights up",
        paraphrases=(
            "press the button",
            "please push the orange button",
            "turn on the lamp",
            "robot, push down the button until the light comes on",
            "could you switch the lamp on",
            "your task is to press the button and make the lamp light up",
            "push the orange button down",
            "please press the orange button on the box",
            "I want you to press the orange button on the small box",
            "reach over to the small box and press its orange button",
            "light the desk lamp by pressing the button on the box",
            "push the button that turns on the lamp",
        ),
        wrong_instructions=(
            "switch the lamp off",
            "release the button",
            "do not press the button",
            "never touch the button",
            "press the red cube",
            "turn on the radio",
            "open the drawer",
            "push the red cube onto the green pad",
            "pull out the button",
            "colourless green ideas sleep furiously",
        ),
    )

    scripted_policy = SkillSet(
        expert=press_button,
        wrong_object=push_red,
        hover_position=button_position,
        stall_progress_range=(0.35, 0.5),
        near_miss_offset=lambda qpos: np.tile(NEAR_MISS_OFFSET, (len(qpos), 1)),
    )

    def success(self, qpos: FloatArray, qvel: FloatArray) -> BoolArray:
        return is_lamp_lit(qpos)

    def partial_progress(self, qpos: FloatArray, qvel: FloatArray) -> FloatArray:
        reach = distance(ee_position(qpos), button_position(qpos))
        reached = linear_tolerance(reach, 0.5)
        pressed = np.clip(qpos[:, BUTTON] / PRESSED_TRAVEL, 0, 1)
        return 0.6 * reached + 0.39 * pressed

    def partial_stage(self, qpos: FloatArray, qvel: FloatArray) -> IntArray:
        reach = distance(ee_position(qpos), button_position(qpos))
        is_near = reach < 0.03
        return is_near.astype(np.int64)
