"""Reach the blue cube with the gripper: done when the finger tips are close to it."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from roborew_envs.core.skill_set import SkillSet
from roborew_envs.core.task import BoolArray, FloatArray, IntArray, Language
from roborew_envs.tasks.arm_task import distance, ee_position, reciprocal_tolerance
from roborew_envs.tasks.desk.scene import BLUE_CUBE, RED_CUBE, DeskTask
from roborew_envs.tasks.desk.skills import TRAVEL_HEIGHT, approach_from_above

REACHED_DISTANCE = 0.048
"""Distance from the finger tips to the cube's centre within which it is reached [m]: touching it,
or just above."""
GOAL_OFFSET = np.array([0.0, 0.0, 0.038])
"""Where the hand stops, from the cube's centre [m]."""
NEAR_MISS_OFFSET = np.array([-0.065, 0.0, -0.01])
"""A near miss stops so far from there, beside the cube [m]."""
HOME_POSITION = np.array([0.30, 0.0, 0.22])
"""Where the hand withdraws to [m]."""


def reach(qpos: FloatArray, cube: slice, offset: FloatArray) -> FloatArray:
    """Come down to just above the cube at ``cube`` of qpos, or ``offset`` (N, 3) [m] from there."""
    goal = qpos[:, cube] + GOAL_OFFSET + offset
    ee = ee_position(qpos)
    return approach_from_above(ee, goal, goal, 0.02)


def withdraw(qpos: FloatArray, offset: FloatArray) -> FloatArray:
    """Rise and go home: what undoes `reach`."""
    home = np.tile(HOME_POSITION, (len(qpos), 1))
    over = home + offset
    ee = ee_position(qpos)
    return approach_from_above(ee, over, home, 0.02, travel_height=HOME_POSITION[2])


class Reach(DeskTask):
    """The hand closes in on the blue cube."""

    id = "roborew/Reach-v0"
    horizon = 40
    stages: ClassVar[tuple[str, ...]] = ("far", "near", "reached")
    language = Language(
        instruction="move the gripper to the blue cube",
        paraphrases=(
            "reach for the blue cube",
            "bring the hand to the blue block",
            "please touch the blue cube",
            "robot, put your gripper at the blue box",
            "the gripper is at the blue cube",
            "go to the blue block with the hand",
            "could you reach out to the blue cube",
            "hold the gripper right above the blue cube",
            "let the fingers come close to the blue block",
            "of the two cubes, approach the blue one with the gripper",
            "have the gripper end up at the blue cube",
            "to the blue cube, move the gripper",
        ),
        wrong_instructions=(
            "move the gripper to the red cube",
            "reach for the red cube, not the blue one",
            "move the gripper away from the blue cube",
            "do not touch the blue cube",
            "move the gripper to the button",
            "move the gripper to the handle of the drawer",
            "stack the red cube on the blue cube",
            "open the drawer",
            "move the blue gripper to the moon",
            "gripper cube the to blue move",
        ),
    )

    scripted_policy = SkillSet(
        expert=lambda qpos, offset: reach(qpos, BLUE_CUBE, offset),
        undo=withdraw,
        wrong_object=lambda qpos, offset: reach(qpos, RED_CUBE, offset),
        hover_position=lambda qpos: qpos[:, BLUE_CUBE] + GOAL_OFFSET,
        stall_progress_range=(0.5, 0.75),
        near_miss_offset=lambda qpos: np.tile(NEAR_MISS_OFFSET, (len(qpos), 1)),
    )

    def success(self, qpos: FloatArray, qvel: FloatArray) -> BoolArray:
        reach = distance(ee_position(qpos), qpos[:, BLUE_CUBE])
        return reach <= REACHED_DISTANCE

    def partial_progress(self, qpos: FloatArray, qvel: FloatArray) -> FloatArray:
        reach = distance(ee_position(qpos), qpos[:, BLUE_CUBE])
        left = np.maximum(reach - REACHED_DISTANCE, 0)
        return reciprocal_tolerance(left, 0.15)

    def partial_stage(self, qpos: FloatArray, qvel: FloatArray) -> IntArray:
        reach = distance(ee_position(qpos), qpos[:, BLUE_CUBE])
        is_near = reach < TRAVEL_HEIGHT
        return is_near.astype(np.int64)
