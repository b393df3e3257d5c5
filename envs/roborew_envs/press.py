"""Press the button: done when it is down far enough, which lights the lamp. The button stays down."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from roborew_envs.desk import BUTTON, PRESSED, DeskTask, button_top, hand, lamp_is_lit, nearness
from roborew_envs.task import BoolArray, FloatArray, IntArray, Words


class Press(DeskTask):
    """The hand closes in on the button (to 0.6), then the button goes down."""

    id = "roborew/Press-v0"
    horizon = 48
    stages: ClassVar[tuple[str, ...]] = ("approach", "press", "lit")
    words = Words(
        instruction="press the button so that the lamp lights up",
        paraphrases=(
            "push the orange button down",
            "press down on the button",
            "turn the lamp on with the button",
            "please press the button",
            "make the lamp light up",
            "switch on the light by pressing the button",
            "hit the orange button",
            "light the lamp using the button",
        ),
        wrong_instructions=(
            "push the red cube onto the green pad",
            "open the drawer",
            "do not press the button",
            "switch the lamp off",
            "press the red cube",
            "colourless green ideas sleep furiously",
        ),
    )

    def success(self, qpos: FloatArray, qvel: FloatArray) -> BoolArray:
        return lamp_is_lit(qpos)

    def partial_progress(self, qpos: FloatArray, qvel: FloatArray) -> FloatArray:
        apart = np.linalg.norm(hand(qpos) - button_top(qpos), axis=1)
        return 0.6 * nearness(apart, 0.5) + 0.39 * np.clip(qpos[:, BUTTON] / PRESSED, 0, 1)

    def partial_stage(self, qpos: FloatArray, qvel: FloatArray) -> IntArray:
        return (np.linalg.norm(hand(qpos) - button_top(qpos), axis=1) < 0.03).astype(np.int64)
