"""Sweep the yellow block into the hole: done when it lies in there, which lights the hole's
floor."""

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
    where_rows,
)
from roborew_envs.tasks.bench.scene import (
    BLOCK_HEIGHT,
    BOARD_TOP,
    HOLE,
    RED_BLOCK,
    YELLOW_BLOCK,
    BenchTask,
    is_in_hole,
)
from roborew_envs.tasks.desk.grasping import carry, grasp, is_grasped, with_gripper
from roborew_envs.tasks.desk.skills import TRAVEL_HEIGHT, push_cube

SWEEP_HEIGHT = 0.046
"""Of the hand while it sweeps over the board [m]."""
BLOCK_HALF_WIDTH = 0.022
"""Half the block's width [m]."""
MAX_GOAL_OFFSET_Y = 0.016
"""Distance from the hole's middle along y at which a block is not moved further to the side [m]."""
LIFTED_HEIGHT = 0.07
"""A block so high is in the gripper, though it slips a little [m]."""
PUSH_DISTANCE = 0.036
"""Where the hand should push from: this far behind the block's center, seen from the hole [m]."""
NEAR_MISS_DISTANCE = 0.115
"""A near miss gives up so far before the hole's middle, along x [m]."""


def sweep(qpos: FloatArray, block: slice) -> FloatArray:
    """Sweep the block at ``block`` of qpos into the hole, then rise."""
    hole = qpos[:, HOLE]
    to_block = qpos[:, block][:, 1] - hole[:, 1]
    # The hole is wide: a block is moved to the side only as far as it must.
    goal = hole.copy()
    goal[:, 1] += np.clip(to_block, -MAX_GOAL_OFFSET_Y, MAX_GOAL_OFFSET_Y)
    retreat = at_height(ee_position(qpos), TRAVEL_HEIGHT)
    push = push_cube(qpos, block, goal, SWEEP_HEIGHT)
    return where_rows(is_in_hole(qpos, block), retreat, push)


def sweep_yellow(qpos: FloatArray, offset: FloatArray) -> FloatArray:
    """Sweep the yellow block into the hole."""
    target = sweep(qpos, YELLOW_BLOCK)
    return with_gripper(target, -1.0)


def sweep_red(qpos: FloatArray, offset: FloatArray) -> FloatArray:
    """Sweep the red block: the wrong object."""
    return sweep(qpos, RED_BLOCK)


def take_out(qpos: FloatArray, offset: FloatArray) -> FloatArray:
    """Take the yellow block out of the hole: what undoes `sweep_yellow`."""
    block = qpos[:, YELLOW_BLOCK]
    hole_y = qpos[:, HOLE][:, 1]
    grip = block + offset
    # Near the hole's middle along y, so that the fingers fit in beside the block.
    grip_y = np.clip(grip[:, 1] - hole_y, -0.018, 0.018)
    grip[:, 1] = hole_y + grip_y
    is_lifted = block[:, 2] > LIFTED_HEIGHT
    holding = is_grasped(qpos, grip, BLOCK_HALF_WIDTH) | is_lifted
    lifting = carry(qpos, block, at_height(block, TRAVEL_HEIGHT))
    grasping = grasp(qpos, grip, BLOCK_HALF_WIDTH)
    return where_rows(holding, lifting, grasping)


class Sweep(BenchTask):
    """The hand goes behind the yellow block (to 0.35), then the block goes to the hole."""

    id = "roborew/Sweep-v0"
    horizon = 64
    stages: ClassVar[tuple[str, ...]] = ("approach", "sweep", "in the hole")
    language = Language(
        instruction="sweep the yellow block into the hole",
        paraphrases=(
            "push the yellow block into the hole",
            "please slide the yellow cube into the hole",
            "move the yellow block until it drops into the pit of the green board",
            "the yellow block lies in the hole",
            "robot, sweep the yellow cube over the board and into the hole",
            "could you knock the yellow block into the hole",
            "let the yellow piece fall into the hole",
            "into the hole, sweep the yellow block",
            "get behind the yellow block and sweep it into the pocket",
            "pocket the yellow block",
            "kindly bring the yellow cube into the black hole of the board",
            "have the yellow block end up in the hole",
        ),
        wrong_instructions=(
            "sweep the red block into the hole",
            "take the yellow block out of the hole",
            "do not sweep the yellow block into the hole",
            "leave the yellow block where it is",
            "sweep the yellow block off the table",
            "put the blue peg into the hole",
            "open the door of the cabinet",
            "turn the tap so that the water runs",
            "sweep the floor",
            "hole the block into yellow sweep",
        ),
    )

    scripted_policy = SkillSet(
        expert=sweep_yellow,
        undo=take_out,
        wrong_object=sweep_red,
        hover_position=lambda qpos: qpos[:, YELLOW_BLOCK],
        stall_progress_range=(0.5, 0.6),
        near_miss_stop=lambda qpos: (
            qpos[:, YELLOW_BLOCK.start] > qpos[:, HOLE.start] - NEAR_MISS_DISTANCE
        ),
    )

    def success(self, qpos: FloatArray, qvel: FloatArray) -> BoolArray:
        return is_in_hole(qpos, YELLOW_BLOCK)

    def partial_progress(self, qpos: FloatArray, qvel: FloatArray) -> FloatArray:
        block = qpos[:, YELLOW_BLOCK]
        hole = qpos[:, HOLE]
        push_from = point_behind(block, hole, PUSH_DISTANCE)
        reach = distance(ee_position(qpos), push_from)
        reached = reciprocal_tolerance(np.maximum(reach - 0.012, 0), 0.08)
        # A block over the hole is no success before it has dropped.
        height = (block[:, 2] - BLOCK_HEIGHT) / BOARD_TOP
        not_dropped = np.clip(height, 0, 1)
        apart = horizontal_distance(hole, block)
        swept = linear_tolerance(apart, 0.25) - 0.1 * not_dropped
        return 0.35 * reached + 0.64 * np.maximum(swept, 0)

    def partial_stage(self, qpos: FloatArray, qvel: FloatArray) -> IntArray:
        reach = distance(ee_position(qpos), qpos[:, YELLOW_BLOCK])
        is_near = reach < 0.06
        return is_near.astype(np.int64)
