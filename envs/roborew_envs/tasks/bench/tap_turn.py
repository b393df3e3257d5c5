"""Turn the tap's lever: done when it is turned far enough, which makes the water run."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from roborew_envs.core.skill_set import SkillSet
from roborew_envs.core.task import BoolArray, FloatArray, IntArray, Language
from roborew_envs.tasks.arm_task import distance, ee_position, linear_tolerance
from roborew_envs.tasks.bench.scene import (
    LEVER,
    RUNNING_ANGLE,
    BenchTask,
    is_water_running,
    lever_tip_position,
    lever_to_world,
)
from roborew_envs.tasks.bench.skills import LEVER_START, open_door, turn_tap_off, turn_tap_on


class TapTurn(BenchTask):
    """The hand goes beside the lever (to 0.3), then the lever turns."""

    id = "roborew/TapTurn-v0"
    horizon = 56
    stages: ClassVar[tuple[str, ...]] = ("approach", "turn", "running")
    language = Language(
        instruction="turn the tap so that the water runs",
        paraphrases=(
            "turn on the tap",
            "open the tap",
            "turn the faucet on",
            "please let the water run",
            "turn the lever of the tap until water comes out",
            "could you switch the water on",
            "the water is running from the tap",
            "push the tap's lever around so that the water flows",
            "robot, get water out of the faucet",
            "swing the lever with the red knob until the water flows",
            "kindly open the faucet",
            "make water pour into the basin by turning the tap",
        ),
        wrong_instructions=(
            "turn off the tap",
            "close the tap so that no water runs",
            "do not turn the tap",
            "keep the faucet shut",
            "open the door of the cabinet",
            "insert the blue peg into the socket",
            "sweep the yellow block into the hole",
            "turn on the lamp",
            "pour the water out of the window",
            "water the runs so turn that tap",
        ),
    )

    scripted_policy = SkillSet(
        expert=turn_tap_on,
        undo=turn_tap_off,
        wrong_object=open_door,
        hover_position=lever_tip_position,
        stall_progress_range=(0.4, 0.6),
        near_miss_stop=lambda qpos: qpos[:, LEVER] > 0.5 * RUNNING_ANGLE,
    )

    def success(self, qpos: FloatArray, qvel: FloatArray) -> BoolArray:
        return is_water_running(qpos)

    def partial_progress(self, qpos: FloatArray, qvel: FloatArray) -> FloatArray:
        reach = distance(ee_position(qpos), lever_to_world(qpos, LEVER_START))
        reached = linear_tolerance(np.maximum(reach - 0.025, 0), 0.45)
        turned = np.clip(qpos[:, LEVER] / RUNNING_ANGLE, 0, 1)
        return 0.3 * reached + 0.69 * turned

    def partial_stage(self, qpos: FloatArray, qvel: FloatArray) -> IntArray:
        reach = distance(ee_position(qpos), lever_to_world(qpos, LEVER_START))
        is_near = reach < 0.05
        return is_near.astype(np.int64)
