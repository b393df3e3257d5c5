"""Open the drawer by its handle: done when it is out far enough to show its yellow inside."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from roborew_envs.desk import DRAWER, OPENED, DeskTask, hand, handle, nearness
from roborew_envs.task import BoolArray, FloatArray, IntArray, Words


class DrawerOpen(DeskTask):
    """The hand closes in on the handle (to 0.3), then the drawer comes out."""

    id = "roborew/DrawerOpen-v0"
    horizon = 48
    stages: ClassVar[tuple[str, ...]] = ("approach", "pull", "open")
    words = Words(
        instruction="open the drawer",
        paraphrases=(
            "pull the drawer open",
            "pull out the drawer by its handle",
            "slide the drawer open",
            "please open the purple drawer",
            "get the drawer open",
            "draw the drawer out of the cabinet",
            "the drawer should be open",
            "grab the handle and pull the drawer out",
        ),
        wrong_instructions=(
            "press the button so that the lamp lights up",
            "push the red cube onto the green pad",
            "close the drawer",
            "do not open the drawer",
            "push the red cube into the drawer",
            "colourless green ideas sleep furiously",
        ),
    )

    def success(self, qpos: FloatArray, qvel: FloatArray) -> BoolArray:
        return qpos[:, DRAWER] >= OPENED

    def partial_progress(self, qpos: FloatArray, qvel: FloatArray) -> FloatArray:
        reach = np.linalg.norm(hand(qpos) - handle(qpos), axis=1)
        return 0.3 * nearness(np.maximum(reach - 0.02, 0), 0.45) + 0.69 * np.clip(qpos[:, DRAWER] / OPENED, 0, 1)

    def partial_stage(self, qpos: FloatArray, qvel: FloatArray) -> IntArray:
        return (np.linalg.norm(hand(qpos) - handle(qpos), axis=1) < 0.05).astype(np.int64)
