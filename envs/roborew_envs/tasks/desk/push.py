"""Push the red cube onto the green pad: done when its centre is close to the pad's, which lights
the pad."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from roborew_envs.core.skill_set import SkillSet
from roborew_envs.core.task import BoolArray, FloatArray, IntArray, Language
from roborew_envs.tasks.arm_task import (
    at_height,
    distance,
    ee_position,
    horizontal_distance,
    linear_tolerance,
    point_behind,
    reciprocal_tolerance,
)
from roborew_envs.tasks.desk.scene import PAD, RED_CUBE, DeskTask, is_pad_lit
from roborew_envs.tasks.desk.skills import push_blue, push_red, push_red_away

PUSH_DISTANCE = 0.034
"""Where the hand should push from: this far behind the cube's centre, seen from the pad [m]."""

NEAR_MISS_DISTANCE = 0.080
"""A near miss leaves the cube this far from the pad's middle, on its own side [m]."""


def near_miss_offset(qpos: FloatArray) -> FloatArray:
    """Offset [m] that leaves the red cube `NEAR_MISS_DISTANCE` short of the pad, shape (N, 3)."""
    from_pad = qpos[:, RED_CUBE][:, :2] - qpos[:, PAD]
    length = np.linalg.norm(from_pad, axis=1, keepdims=True)
    shortfall = NEAR_MISS_DISTANCE * from_pad / length
    return at_height(shortfall, 0.0)


class Push(DeskTask):
    """The hand goes behind the red cube (to 0.35), then the cube goes to the pad."""

    id = "roborew/Push-v0"
    horizon = 64
    train_timesteps = 220_000
    train_init_std = 0.35  # a push needs a steady hand
    stages: ClassVar[tuple[str, ...]] = ("approach", "push", "on pad")
    language = Language(
        instruction="push the red cube onto the green pad",
        paraphrases=(
            "slide the red block onto the green target",
            "please move the red cube to the green pad",
            "robot, put the red box on the green square",
            "push the red cube into the green area until the pad lights up",
            "I want you to shove the red cube onto the green mat",
            "the red cube is on the green pad",
            "I want the red cube moved onto the green pad",
            "push the red block across the desk until it sits on the green pad",
            "the goal is to have the red cube on the green target",
            "move the red cube so that it rests on the green pad",
            "take the red cube to the green mat by pushing it with your arm",
            "place the red block on the green target by sliding it",
        ),
        wrong_instructions=(
            "push the red cube off the green pad",
            "push the blue cube onto the green pad",
            "push the red cube into the drawer",
            "do not push the red cube onto the green pad",
            "leave the red cube where it is",
            "throw the red cube at the wall",
            "press the button so that the lamp lights up",
            "open the drawer",
            "push the green pad onto the red cube",
            "cube the onto red pad green",
        ),
    )

    scripted_policy = SkillSet(
        expert=push_red,
        undo=push_red_away,
        wrong_object=push_blue,
        hover_position=lambda qpos: qpos[:, RED_CUBE],
        stall_progress_range=(0.45, 0.7),
        slow_speed_range=(0.57, 0.63),
        near_miss_offset=near_miss_offset,
    )

    def success(self, qpos: FloatArray, qvel: FloatArray) -> BoolArray:
        return is_pad_lit(qpos)

    def partial_progress(self, qpos: FloatArray, qvel: FloatArray) -> FloatArray:
        red = qpos[:, RED_CUBE]
        pad = qpos[:, PAD]
        push_from = point_behind(red, pad, PUSH_DISTANCE)
        reach = distance(ee_position(qpos), push_from)
        reached = reciprocal_tolerance(np.maximum(reach - 0.012, 0), 0.08)
        apart = horizontal_distance(pad, red)
        pushed = linear_tolerance(apart, 0.35)
        return 0.35 * reached + 0.64 * pushed

    def partial_stage(self, qpos: FloatArray, qvel: FloatArray) -> IntArray:
        reach = distance(ee_position(qpos), qpos[:, RED_CUBE])
        is_near = reach < 0.06
        return is_near.astype(np.int64)
