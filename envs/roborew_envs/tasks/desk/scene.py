"""The desk that the manipulation tasks share: where its things stand, what an action does, what an
agent sees."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from roborew_envs.core.task import BoolArray, FloatArray
from roborew_envs.rendering.renderer import Overrides
from roborew_envs.tasks.arm_task import ARM_JOINTS as ARM_JOINTS
from roborew_envs.tasks.arm_task import FINGER_JOINTS as FINGER_JOINTS
from roborew_envs.tasks.arm_task import FINGER_TRAVEL as FINGER_TRAVEL
from roborew_envs.tasks.arm_task import MAX_EE_STEP as MAX_EE_STEP
from roborew_envs.tasks.arm_task import WORKSPACE_BOUNDS as WORKSPACE_BOUNDS
from roborew_envs.tasks.arm_task import ArmTask
from roborew_envs.tasks.arm_task import ee_position as ee_position
from roborew_envs.tasks.arm_task import linear_tolerance as linear_tolerance
from roborew_envs.tasks.arm_task import reciprocal_tolerance as reciprocal_tolerance

RED_CUBE = slice(7, 10)
BLUE_CUBE = slice(14, 17)
PAD = slice(21, 23)
BUTTON_BOX = slice(23, 25)
BUTTON, CABINET, DRAWER = 25, 26, 27
"""Where things stand in qpos; positions [m]. A test reads these addresses from the compiled
model."""

CUBE_HEIGHT = 0.026
"""Centre of a cube that stands on the desk [m]."""
CUBE_HALF_WIDTH = 0.026
"""Half the width of a cube [m]."""
BUTTON_TOP = 0.074
"""Top of the button, not pressed [m]."""
BUTTON_TRAVEL = 0.022
PRESSED_TRAVEL = 0.016
"""Travel from which the lamp is lit [m]."""
PAD_RADIUS = 0.050
"""Distance of the red cube's centre from the pad's within which the pad is lit [m]."""
DRAWER_TRAVEL = 0.15
OPEN_TRAVEL = 0.11
"""Travel from which the drawer counts as open [m]."""
CLOSED_TRAVEL = 0.012
"""Travel up to which the drawer counts as closed [m]."""
DRAWER_CLEAR_Y = -0.01
"""Place along y from which hand and cubes leave the open drawer alone [m]."""
DRAWER_CENTER = np.array([0.0, 0.38, 0.048])
"""Centre of a cube in the middle of the drawer relative to the cabinet's place along x, drawer
closed [m]."""
HANDLE = np.array([0.0, 0.232, 0.074])
"""The handle's middle relative to the cabinet's place along x, drawer closed, desk frame [m]."""


def button_position(qpos: FloatArray) -> FloatArray:
    """Middle of the button's top, shape (N, 3) [m]."""
    return np.column_stack([qpos[:, BUTTON_BOX], BUTTON_TOP - qpos[:, BUTTON]])


def drawer_to_world(qpos: FloatArray, place: FloatArray) -> FloatArray:
    """Where a place of the closed drawer, shape (3,) [m], relative to the cabinet's along x, is
    now: (N, 3) [m]."""
    return place + np.column_stack([qpos[:, CABINET], -qpos[:, DRAWER], np.zeros(len(qpos))])


def drawer_handle_position(qpos: FloatArray) -> FloatArray:
    """Middle of the drawer's handle, shape (N, 3) [m]."""
    return drawer_to_world(qpos, HANDLE)


def is_lamp_lit(qpos: FloatArray) -> BoolArray:
    """The button is pressed far enough, shape (N,)."""
    return qpos[:, BUTTON] >= PRESSED_TRAVEL


def is_pad_lit(qpos: FloatArray) -> BoolArray:
    """The red cube stands on the pad, shape (N,)."""
    apart = np.linalg.norm(qpos[:, RED_CUBE][:, :2] - qpos[:, PAD], axis=1)
    return (apart <= PAD_RADIUS) & (np.abs(qpos[:, RED_CUBE][:, 2] - CUBE_HEIGHT) < 0.015)


class DeskTask(ArmTask):
    """Shared by every task on the desk: its starts, what an agent sees, what lights up."""

    scene: ClassVar[str] = "desk.xml"

    def sample_initial_state(self, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        qpos = np.zeros(self.model.nq)
        qpos[BUTTON_BOX] = rng.uniform([0.36, -0.31], [0.52, -0.24])
        qpos[CABINET] = rng.uniform(0.38, 0.52)
        red = rng.uniform([0.36, -0.12], [0.43, 0.10])
        qpos[PAD] = np.array([rng.uniform(0.53, 0.60), red[1] + rng.uniform(-0.05, 0.05)])
        for cube, place in ((RED_CUBE, red), (BLUE_CUBE, self._free_place(rng, [red, qpos[PAD]]))):
            turn = rng.uniform(-0.15, 0.15)
            qpos[cube] = *place, CUBE_HEIGHT
            qpos[cube.stop : cube.stop + 4] = np.cos(turn / 2), 0, 0, np.sin(turn / 2)
        self.sample_arm_state(rng, qpos)
        return qpos, np.zeros(self.model.nv)

    @staticmethod
    def _free_place(rng: np.random.Generator, placed: list[FloatArray]) -> FloatArray:
        """A place on the desk at least 9 cm to the left or right of the others, by rejection."""
        while True:
            place = rng.uniform([0.34, -0.19], [0.60, 0.17])
            if min(abs(place[1] - other[1]) for other in placed) > 0.09:
                return place

    def observe(self, qpos: FloatArray, qvel: FloatArray) -> NDArray[np.float32]:
        tips = ee_position(qpos)
        turn = 2 * np.arctan2(qpos[:, [13, 20]], qpos[:, [10, 17]])
        parts = [
            *self.proprioception(qpos, qvel),
            button_position(qpos) - tips,
            drawer_handle_position(qpos) - tips,
            qpos[:, RED_CUBE] - tips,
            qpos[:, BLUE_CUBE] - tips,
            qpos[:, PAD] - tips[:, :2],
            qpos[:, PAD] - qpos[:, RED_CUBE][:, :2],
            qpos[:, [BUTTON, DRAWER]],
            np.sin(4 * turn),
            np.cos(4 * turn),
        ]
        return np.concatenate(parts, axis=1).astype(np.float32)

    def visual_overrides(self, qpos: FloatArray) -> Overrides:
        """The lamp's and the pad's lit twins become visible in the states that light them."""
        ids = np.array([self.model.geom("lamp_lit").id, self.model.geom("pad_lit").id])
        rgba = np.repeat(self.model.geom_rgba[ids][None].astype(np.float64), len(qpos), axis=0)
        rgba[:, 0, 3], rgba[:, 1, 3] = is_lamp_lit(qpos), is_pad_lit(qpos)
        return Overrides({"geom_rgba": (ids, rgba)})


class OpenDrawerTask(DeskTask):
    """Shared by the tasks that start with the drawer open, and cubes and hand out of its way."""

    def sample_initial_state(self, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        while True:
            qpos, qvel = super().sample_initial_state(rng)
            if (
                max(
                    qpos[RED_CUBE.start + 1],
                    qpos[BLUE_CUBE.start + 1],
                    ee_position(qpos[None])[0, 1],
                )
                < DRAWER_CLEAR_Y
            ):
                break
        qpos[DRAWER] = rng.uniform(DRAWER_TRAVEL - 0.01, DRAWER_TRAVEL)
        return qpos, qvel
