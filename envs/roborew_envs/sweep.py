"""Sweep the yellow puck into the hole: done when it lies in there, which lights the hole's floor."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from roborew_envs.arm_task import closeness, hand, nearness
from roborew_envs.bench import BOARD_TOP, HOLE, PUCK_HEIGHT, RED_PUCK, YELLOW_PUCK, BenchTask, is_in_hole
from roborew_envs.bench_skills import carry, holds, take, with_opening
from roborew_envs.plan import Plan
from roborew_envs.skills import CLEAR, above_then
from roborew_envs.task import BoolArray, FloatArray, IntArray, Words

HEIGHT = 0.042
"""Of the hand while it sweeps over the board [m]."""
BEHIND = 0.052
"""Distance of the hand from the puck's middle before it sweeps [m]."""
NESTED = 0.030
"""The same while the puck lies between the fingers [m]."""
CRADLE = -0.2
"""Opening of the gripper between whose fingers a puck stays."""
PUCK = 0.024
"""Half the puck's width [m]."""
SHORT = np.array([-0.085, 0.0, 0.0])
"""A near miss leaves the puck on the board, so far from the hole's middle [m]."""


def sweep(qpos: FloatArray, puck: slice, goal: FloatArray) -> FloatArray:
    """Sweep the puck at ``puck`` of qpos to ``goal``, shape (N, 2) [m], or into the hole, then rise."""
    tips, place = hand(qpos), qpos[:, puck][:, :2]
    way = goal - place
    left = np.linalg.norm(way, axis=1, keepdims=True)
    way = way / np.maximum(left, 1e-6)
    # Straight ahead the puck lies between both fingers, which also take it some way to the side.
    facing = np.where(np.abs(way[:, 1:]) < 0.8 * way[:, :1], [1.0, 0.0], way)
    relative = tips[:, :2] - place
    along = (relative * facing).sum(axis=1, keepdims=True)
    aside = relative - along * facing
    sweeping = (tips[:, 2] < HEIGHT + 0.015) & (along[:, 0] < -0.012) & (np.linalg.norm(aside, axis=1) < 0.016)
    push = place - NESTED * facing + way * np.minimum(0.6 * left, 0.022) - aside * 0.5
    push = tips[:, :2] + np.clip(push - tips[:, :2], -0.018, 0.018)  # a faster push lets the puck slide on by itself
    start = place - BEHIND * facing
    target = above_then(tips, _at(start, HEIGHT), _at(start, HEIGHT))
    target = np.where(sweeping[:, None], _at(push, HEIGHT), target)
    done = is_in_hole(qpos, puck) | (left[:, 0] < 0.015)
    return with_opening(np.where(done[:, None], _at(tips[:, :2], CLEAR), target), CRADLE)


def _at(place: FloatArray, height: float) -> FloatArray:
    return np.column_stack([place, np.full(len(place), height)])


def sweep_yellow(qpos: FloatArray, offset: FloatArray) -> FloatArray:
    """Sweep the yellow puck into the hole, or to ``offset`` from its middle."""
    return sweep(qpos, YELLOW_PUCK, qpos[:, HOLE] + offset[:, :2])


def sweep_red(qpos: FloatArray, offset: FloatArray) -> FloatArray:
    """Sweep the red puck: the wrong object."""
    return sweep(qpos, RED_PUCK, qpos[:, HOLE] + offset[:, :2])


def take_out(qpos: FloatArray, offset: FloatArray) -> FloatArray:
    """Take the yellow puck out of the hole: what undoes `sweep_yellow`."""
    puck = qpos[:, YELLOW_PUCK]
    grip = puck + offset
    grip[:, 1] = qpos[:, HOLE.start + 1] + np.clip(grip[:, 1] - qpos[:, HOLE.start + 1], -0.016, 0.016)
    held = holds(qpos, grip, PUCK)
    lifted = np.column_stack([puck[:, :2], np.full(len(qpos), CLEAR)])
    return np.where(held[:, None], carry(qpos, puck, lifted), take(qpos, grip, PUCK))


class Sweep(BenchTask):
    """The hand goes behind the yellow puck (to 0.35), then the puck goes to the hole."""

    id = "roborew/Sweep-v0"
    horizon = 64
    stages: ClassVar[tuple[str, ...]] = ("approach", "sweep", "in the hole")
    words = Words(
        instruction="sweep the yellow puck into the hole",
        paraphrases=(
            "push the yellow puck into the hole",
            "please slide the yellow disc into the hole",
            "move the yellow puck until it drops into the pit of the green board",
            "the yellow puck lies in the hole",
            "robot, sweep the yellow disc over the board and into the hole",
            "could you knock the yellow puck into the hole",
            "let the yellow piece fall into the hole",
            "into the hole, sweep the yellow puck",
            "get behind the yellow puck and sweep it into the pocket",
            "pocket the yellow puck",
            "kindly bring the yellow disc into the black hole of the board",
            "have the yellow puck end up in the hole",
        ),
        wrong_instructions=(
            "sweep the red puck into the hole",
            "take the yellow puck out of the hole",
            "do not sweep the yellow puck into the hole",
            "leave the yellow puck where it is",
            "sweep the yellow puck off the table",
            "put the blue peg into the hole",
            "open the door of the cabinet",
            "turn the tap so that the water runs",
            "sweep the floor",
            "hole the puck into yellow sweep",
        ),
    )

    plan = Plan(
        expert=sweep_yellow,
        undo=take_out,
        wrong=sweep_red,
        over=lambda qpos: qpos[:, YELLOW_PUCK],
        stop=(0.5, 0.7),
        miss=lambda qpos: np.tile(SHORT, (len(qpos), 1)),
    )

    def success(self, qpos: FloatArray, qvel: FloatArray) -> BoolArray:
        return is_in_hole(qpos, YELLOW_PUCK)

    def partial_progress(self, qpos: FloatArray, qvel: FloatArray) -> FloatArray:
        puck = qpos[:, YELLOW_PUCK]
        way = qpos[:, HOLE] - puck[:, :2]
        apart = np.linalg.norm(way, axis=1)
        behind = np.column_stack([puck[:, :2] - 0.036 * way / np.maximum(apart, 1e-6)[:, None], puck[:, 2]])
        reach = np.linalg.norm(hand(qpos) - behind, axis=1)
        height = np.clip((puck[:, 2] - PUCK_HEIGHT) / BOARD_TOP, 0, 1)
        near = nearness(apart, 0.25) - 0.1 * height
        return 0.35 * closeness(np.maximum(reach - 0.012, 0), 0.08) + 0.64 * np.maximum(near, 0)

    def partial_stage(self, qpos: FloatArray, qvel: FloatArray) -> IntArray:
        return (np.linalg.norm(hand(qpos) - qpos[:, YELLOW_PUCK], axis=1) < 0.06).astype(np.int64)
