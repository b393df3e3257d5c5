"""Insert the blue peg into the socket: done when it stands in there, which lights the socket."""

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
    is_within,
    linear_tolerance,
    reciprocal_tolerance,
    where_rows,
)
from roborew_envs.tasks.bench.scene import (
    BLUE_PEG,
    ORANGE_PEG,
    PEG_HEIGHT,
    SOCKET,
    BenchTask,
    is_inserted,
    peg_uprightness,
)
from roborew_envs.tasks.desk.grasping import carry, grasp, is_grasped, release
from roborew_envs.tasks.desk.skills import TRAVEL_HEIGHT

PEG_GRIP = np.array([0.0, 0.0, 0.010])
"""Where the hand takes a peg, above its middle [m]."""
PEG_HALF_WIDTH = 0.014
"""Half the peg's width [m]."""
SOCKET_RIM_HEIGHT = 0.035
"""Height at which a peg's foot clears the socket [m]."""
NEAR_MISS_OFFSET = np.array([0.055, 0.0, 0.0])
"""A near miss puts the peg so far from the socket's middle [m]."""


def insert(qpos: FloatArray, peg: slice, offset: FloatArray) -> FloatArray:
    """Take the peg at ``peg`` of qpos and put it into the socket, or ``offset`` (N, 3) [m] from
    it."""
    position = qpos[:, peg]
    goal = at_height(qpos[:, SOCKET], PEG_HEIGHT) + offset
    grip = position + PEG_GRIP
    holding = is_grasped(qpos, grip, PEG_HALF_WIDTH)
    carrying = carry(qpos, position, goal)
    grasping = grasp(qpos, grip, PEG_HALF_WIDTH)
    moving = where_rows(holding, carrying, grasping)
    is_placed = is_within(position - goal, (0.012, 0.012, 0.006))
    leaving = release(qpos, PEG_HALF_WIDTH)
    return where_rows(is_placed, leaving, moving)


def insert_blue(qpos: FloatArray, offset: FloatArray) -> FloatArray:
    """Insert the blue peg."""
    return insert(qpos, BLUE_PEG, offset)


def insert_orange(qpos: FloatArray, offset: FloatArray) -> FloatArray:
    """Insert the orange peg: the wrong object."""
    return insert(qpos, ORANGE_PEG, offset)


def pull_out(qpos: FloatArray, offset: FloatArray) -> FloatArray:
    """Pull the blue peg out of the socket and keep it up: what undoes `insert_blue`."""
    peg = qpos[:, BLUE_PEG]
    grip = peg + PEG_GRIP + offset
    holding = is_grasped(qpos, grip, PEG_HALF_WIDTH)
    lifting = carry(qpos, peg, at_height(peg, TRAVEL_HEIGHT))
    grasping = grasp(qpos, grip, PEG_HALF_WIDTH)
    return where_rows(holding, lifting, grasping)


class PegInsert(BenchTask):
    """The hand closes in on the blue peg (to 0.25), lifts it, carries it over the socket and lets
    it down."""

    id = "roborew/PegInsert-v0"
    horizon = 88
    stages: ClassVar[tuple[str, ...]] = ("approach", "grasp", "carry", "inserted")
    language = Language(
        instruction="insert the blue peg into the socket",
        paraphrases=(
            "put the blue peg into the socket",
            "please plug the blue peg into the white socket",
            "pick up the blue peg and stick it into the socket",
            "the blue peg stands in the socket",
            "robot, place the blue stick in the white holder",
            "could you fit the blue peg into the hole of the socket",
            "grasp the blue peg, lift it and lower it into the socket",
            "let the blue peg go into the square socket",
            "into the socket, insert the blue peg",
            "kindly set the blue pin into its holder",
            "have the blue peg end up inside the socket",
            "get the blue peg into the socket so that it lights up",
        ),
        wrong_instructions=(
            "insert the orange peg into the socket",
            "pull the blue peg out of the socket",
            "do not insert the blue peg",
            "leave the blue peg on the table",
            "put the blue peg beside the socket",
            "sweep the yellow block into the hole",
            "open the door of the cabinet",
            "turn the tap so that the water runs",
            "knock the blue peg over",
            "socket the peg into blue insert",
        ),
    )

    scripted_policy = SkillSet(
        expert=insert_blue,
        undo=pull_out,
        wrong_object=insert_orange,
        hover_position=lambda qpos: qpos[:, BLUE_PEG] + PEG_GRIP,
        stall_progress_range=(0.6, 0.75),
        near_miss_offset=lambda qpos: np.tile(NEAR_MISS_OFFSET, (len(qpos), 1)),
    )

    def success(self, qpos: FloatArray, qvel: FloatArray) -> BoolArray:
        return is_inserted(qpos, BLUE_PEG)

    def partial_progress(self, qpos: FloatArray, qvel: FloatArray) -> FloatArray:
        peg = qpos[:, BLUE_PEG]
        to_grip = ee_position(qpos) - peg - PEG_GRIP
        reach = np.linalg.norm(to_grip, axis=1)
        reached = reciprocal_tolerance(reach, 0.06)
        apart = horizontal_distance(peg, qpos[:, SOCKET])
        left = self._remaining_path(peg, apart)
        inserted = linear_tolerance(left, 0.3)
        upright = np.abs(peg_uprightness(qpos, BLUE_PEG))
        return 0.25 * reached + 0.1 * upright + 0.64 * inserted

    @staticmethod
    def _remaining_path(peg: FloatArray, apart: FloatArray) -> FloatArray:
        """Length of the way into the socket, over its rim: shape (N,) [m].

        Args:
            peg: its middle, shape (N, 3) [m].
            apart: horizontal distance from the socket's middle, shape (N,) [m].
        """
        height = np.abs(peg[:, 2] - PEG_HEIGHT)
        above_rim = np.maximum(height - SOCKET_RIM_HEIGHT, 0)
        descent = height - above_rim
        # From outside the way leads up to the rim and down again.
        climb = np.maximum(SOCKET_RIM_HEIGHT - height, 0)
        climb_and_descent = SOCKET_RIM_HEIGHT + climb
        # From 1 to 3 cm beside the middle a peg is partly outside: blended, so no jump.
        outside = np.clip((apart - 0.01) / 0.02, 0, 1)
        vertical = 0.3 * above_rim
        return apart + vertical + (1 - outside) * descent + outside * climb_and_descent

    def partial_stage(self, qpos: FloatArray, qvel: FloatArray) -> IntArray:
        peg = qpos[:, BLUE_PEG]
        is_reached = distance(ee_position(qpos), peg + PEG_GRIP) < 0.02
        is_lifted = peg[:, 2] > PEG_HEIGHT + 0.01
        return np.where(is_reached & is_lifted, 2, is_reached.astype(np.int64))
