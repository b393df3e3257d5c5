"""The desk that the manipulation tasks share: where its things stand, what an action does, what an agent sees."""

from __future__ import annotations

from importlib import resources
from typing import ClassVar

import mujoco
import numpy as np
from numpy.typing import NDArray

from roborew_envs.arm import arm_joints, hand_position
from roborew_envs.rendering import Overrides
from roborew_envs.task import BoolArray, FloatArray, Task

ARM = slice(0, 5)
FINGERS = slice(5, 7)
RED = slice(7, 10)
BLUE = slice(14, 17)
PAD = slice(21, 23)
BUTTON_BOX = slice(23, 25)
BUTTON, CABINET, DRAWER = 25, 26, 27
"""Where things stand in qpos; positions [m]. A test reads these addresses from the compiled model."""

WORKSPACE = np.array([[0.24, -0.34, 0.012], [0.68, 0.30, 0.26]])
"""Lowest and highest place of the finger tips [m]."""
REACH_PER_STEP = 0.04
"""Largest move asked for by one action, along each axis [m]."""
FINGER_OPEN = 0.033
"""Travel of each finger [m]."""
CUBE_HEIGHT = 0.026
"""Centre of a cube that stands on the desk [m]."""
BUTTON_TOP = 0.074
"""Top of the button, not pressed [m]."""
BUTTON_TRAVEL = 0.022
PRESSED = 0.016
"""Travel from which the lamp is lit [m]."""
ON_PAD = 0.050
"""Distance of the red cube's centre from the pad's within which the pad is lit [m]."""
DRAWER_TRAVEL = 0.15
OPENED = 0.11
"""Travel from which the drawer counts as open [m]."""
HANDLE = np.array([0.0, 0.232, 0.074])
"""The handle's middle relative to the cabinet's place along x, drawer closed, desk frame [m]."""


def hand(qpos: FloatArray) -> FloatArray:
    """Finger tips, shape (N, 3) [m]."""
    return hand_position(qpos[:, ARM])


def button_top(qpos: FloatArray) -> FloatArray:
    """Middle of the button's top, shape (N, 3) [m]."""
    return np.column_stack([qpos[:, BUTTON_BOX], BUTTON_TOP - qpos[:, BUTTON]])


def handle(qpos: FloatArray) -> FloatArray:
    """Middle of the drawer's handle, shape (N, 3) [m]."""
    place = np.tile(HANDLE, (len(qpos), 1))
    place[:, 0] += qpos[:, CABINET]
    place[:, 1] -= qpos[:, DRAWER]
    return place


def lamp_is_lit(qpos: FloatArray) -> BoolArray:
    """The button is pressed far enough, shape (N,)."""
    return qpos[:, BUTTON] >= PRESSED


def pad_is_lit(qpos: FloatArray) -> BoolArray:
    """The red cube stands on the pad, shape (N,)."""
    apart = np.linalg.norm(qpos[:, RED][:, :2] - qpos[:, PAD], axis=1)
    return (apart <= ON_PAD) & (np.abs(qpos[:, RED][:, 2] - CUBE_HEIGHT) < 0.015)


def nearness(distance: FloatArray, scale: float) -> FloatArray:
    """1 at distance 0, falling to 0 at ``scale`` [m], shape as given."""
    return 1.0 - np.clip(distance / scale, 0.0, 1.0)


def closeness(distance: FloatArray, scale: float) -> FloatArray:
    """1 at distance 0, 0.5 at ``scale`` [m], never 0: steepest where precision matters, shape as given."""
    return scale / (scale + distance)


class DeskTask(Task):
    """Shared by every task on the desk. The action is (dx, dy, dz, gripper): the hand's move in units of 4 cm and the
    gripper from closed (-1) to open (+1)."""

    cameras: ClassVar[tuple[str, ...]] = ("front", "side", "wrist")
    substeps: ClassVar[int] = 10
    action_size: ClassVar[int] = 4

    def build(self) -> mujoco.MjModel:
        return mujoco.MjModel.from_xml_string(resources.files("roborew_envs").joinpath("assets/desk.xml").read_text())

    def sample(self, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        qpos = np.zeros(self.model.nq)
        qpos[BUTTON_BOX] = rng.uniform([0.36, -0.31], [0.52, -0.24])
        qpos[CABINET] = rng.uniform(0.38, 0.52)
        red = rng.uniform([0.36, -0.12], [0.43, 0.10])
        qpos[PAD] = np.array([rng.uniform(0.53, 0.60), red[1] + rng.uniform(-0.05, 0.05)])
        for cube, place in ((RED, red), (BLUE, self._free_place(rng, [red, qpos[PAD]]))):
            turn = rng.uniform(-0.15, 0.15)
            qpos[cube] = *place, CUBE_HEIGHT
            qpos[cube.stop : cube.stop + 4] = np.cos(turn / 2), 0, 0, np.sin(turn / 2)
        qpos[ARM] = arm_joints(rng.uniform([0.26, -0.16, 0.08], [0.36, 0.14, 0.20])[None])[0]
        qpos[FINGERS] = rng.uniform(0, FINGER_OPEN)
        return qpos, np.zeros(self.model.nv)

    @staticmethod
    def _free_place(rng: np.random.Generator, placed: list[FloatArray]) -> FloatArray:
        """A place on the desk at least 9 cm to the left or right of the others, by rejection."""
        while True:
            place = rng.uniform([0.34, -0.19], [0.60, 0.17])
            if min(abs(place[1] - other[1]) for other in placed) > 0.09:
                return place

    def controls(self, qpos: FloatArray, actions: FloatArray) -> FloatArray:
        target = np.clip(hand(qpos) + REACH_PER_STEP * actions[:, :3], *WORKSPACE)
        fingers = FINGER_OPEN * (actions[:, 3:4] + 1) / 2
        return np.concatenate([arm_joints(target), fingers, fingers], axis=1)

    def observe(self, qpos: FloatArray, qvel: FloatArray) -> NDArray[np.float32]:
        tips = hand(qpos)
        turn = 2 * np.arctan2(qpos[:, [13, 20]], qpos[:, [10, 17]])
        parts = [
            tips,
            qpos[:, FINGERS],
            qvel[:, :4] * 0.1,
            button_top(qpos) - tips,
            handle(qpos) - tips,
            qpos[:, RED] - tips,
            qpos[:, BLUE] - tips,
            qpos[:, PAD] - tips[:, :2],
            qpos[:, PAD] - qpos[:, RED][:, :2],
            qpos[:, [BUTTON, DRAWER]],
            np.sin(4 * turn),
            np.cos(4 * turn),
        ]
        return np.concatenate(parts, axis=1).astype(np.float32)

    def paint(self, qpos: FloatArray) -> Overrides:
        """The lamp's and the pad's lit twins become visible in the states that light them."""
        ids = np.array([self.model.geom("lamp_lit").id, self.model.geom("pad_lit").id])
        rgba = np.repeat(self.model.geom_rgba[ids][None].astype(np.float64), len(qpos), axis=0)
        rgba[:, 0, 3], rgba[:, 1, 3] = lamp_is_lit(qpos), pad_is_lit(qpos)
        return Overrides({"geom_rgba": (ids, rgba)})
