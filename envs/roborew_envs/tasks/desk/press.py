"""Press the button: done when it is down far enough, which lights the lamp. The button stays
down."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from roborew_envs.core.plan import Plan
from roborew_envs.core.task import BoolArray, FloatArray, IntArray, Language
from roborew_envs.tasks.desk.scene import (
    BUTTON,
    PRESSED,
    DeskTask,
    button_top,
    hand,
    lamp_is_lit,
    nearness,
)
from roborew_envs.tasks.desk.skills import press_button, push_red

TOO_HIGH = np.array([0.0, 0.0, 0.047])
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

    scripted_policy = Plan(
        expert=press_button,
        wrong=push_red,
        over=button_top,
        stop=(0.35, 0.5),
        miss=lambda qpos: np.tile(TOO_HIGH, (len(qpos), 1)),
    )

    def success(self, qpos: FloatArray, qvel: FloatArray) -> BoolArray:
        return lamp_is_lit(qpos)

    def partial_progress(self, qpos: FloatArray, qvel: FloatArray) -> FloatArray:
        apart = np.linalg.norm(hand(qpos) - button_top(qpos), axis=1)
        return 0.6 * nearness(apart, 0.5) + 0.39 * np.clip(qpos[:, BUTTON] / PRESSED, 0, 1)

    def partial_stage(self, qpos: FloatArray, qvel: FloatArray) -> IntArray:
        return (np.linalg.norm(hand(qpos) - button_top(qpos), axis=1) < 0.03).astype(np.int64)
