"""The desk that the manipulation tasks share: where its things stand, what an action does, what an
agent sees."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from roborew_envs.core.task import BoolArray, FloatArray
from roborew_envs.rendering.renderer import Overrides
from roborew_envs.tasks.arm_task import (
    ArmTask,
    ee_position,
    geom_opacities,
    horizontal_distance,
    place_thing,
)

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
    """Center of the button's top, shape (N, 3), world [m]."""
    height = BUTTON_TOP - qpos[:, BUTTON]
    return np.column_stack([qpos[:, BUTTON_BOX], height])


def drawer_to_world(qpos: FloatArray, point: FloatArray) -> FloatArray:
    """World position of a point of the drawer, shape (N, 3) [m].

    Args:
        qpos: shape (N, nq).
        point: shape (3,), relative to the cabinet's place along x, drawer closed [m].
    """
    cabinet_x = qpos[:, CABINET]
    # The drawer slides out towards the robot, which is -y.
    drawer_y = -qpos[:, DRAWER]
    level = np.zeros(len(qpos))
    return point + np.column_stack([cabinet_x, drawer_y, level])


def drawer_handle_position(qpos: FloatArray) -> FloatArray:
    """Center of the drawer's handle, shape (N, 3), world [m]."""
    return drawer_to_world(qpos, HANDLE)


def is_lamp_lit(qpos: FloatArray) -> BoolArray:
    """Whether the button is pressed far enough, shape (N,)."""
    travel: FloatArray = qpos[:, BUTTON]
    return travel >= PRESSED_TRAVEL


def is_pad_lit(qpos: FloatArray) -> BoolArray:
    """Whether the red cube stands on the pad, shape (N,)."""
    red = qpos[:, RED_CUBE]
    over_pad = horizontal_distance(red, qpos[:, PAD]) <= PAD_RADIUS
    on_desk = np.abs(red[:, 2] - CUBE_HEIGHT) < 0.015
    return over_pad & on_desk


class DeskTask(ArmTask):
    """Shared by every task on the desk: its starts, what an agent sees, what lights up."""

    scene: ClassVar[str] = "desk.xml"

    def sample_initial_state(self, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        qpos = np.zeros(self.model.nq)
        qpos[BUTTON_BOX] = rng.uniform([0.36, -0.31], [0.52, -0.24])
        qpos[CABINET] = rng.uniform(0.38, 0.52)
        red = rng.uniform([0.36, -0.12], [0.43, 0.10])
        # The pad lies beyond the red cube, a little to the side: a push must steer.
        pad_x = rng.uniform(0.53, 0.60)
        pad_y = red[1] + rng.uniform(-0.05, 0.05)
        pad = np.array([pad_x, pad_y])
        qpos[PAD] = pad
        blue = self._sample_free_place(rng, [red, pad])
        red_yaw = rng.uniform(-0.15, 0.15)
        blue_yaw = rng.uniform(-0.15, 0.15)
        place_thing(qpos, RED_CUBE, red, CUBE_HEIGHT, red_yaw)
        place_thing(qpos, BLUE_CUBE, blue, CUBE_HEIGHT, blue_yaw)
        self.sample_arm_state(rng, qpos)
        return qpos, np.zeros(self.model.nv)

    @staticmethod
    def _sample_free_place(rng: np.random.Generator, occupied: list[FloatArray]) -> FloatArray:
        """Draw a place (x, y) [m] at least 9 cm to the left or right of the others."""
        # By rejection, which keeps the distribution uniform over the free part of the desk.
        while True:
            place = rng.uniform([0.34, -0.19], [0.60, 0.17])
            gaps = [abs(place[1] - y) for _, y in occupied]
            if min(gaps) > 0.09:
                return place

    def observe(self, qpos: FloatArray, qvel: FloatArray) -> NDArray[np.float32]:
        ee = ee_position(qpos)
        red = qpos[:, RED_CUBE]
        blue = qpos[:, BLUE_CUBE]
        pad = qpos[:, PAD]
        red_w, blue_w = RED_CUBE.stop, BLUE_CUBE.stop
        # A cube that stands turns about z alone: its yaw is in w and z of its quaternion.
        yaw = 2 * np.arctan2(qpos[:, [red_w + 3, blue_w + 3]], qpos[:, [red_w, blue_w]])
        terms = [
            *self.proprioception(ee, qpos, qvel),
            button_position(qpos) - ee,
            drawer_handle_position(qpos) - ee,
            red - ee,
            blue - ee,
            pad - ee[:, :2],
            pad - red[:, :2],
            qpos[:, [BUTTON, DRAWER]],
            # A square looks the same after a quarter turn, so four times the yaw is what matters.
            np.sin(4 * yaw),
            np.cos(4 * yaw),
        ]
        return np.concatenate(terms, axis=1).astype(np.float32)

    def visual_overrides(self, qpos: FloatArray) -> Overrides:
        """Opacity of the lit twins of lamp and pad: visible in the states that light them."""
        opacities = {"lamp_lit": is_lamp_lit(qpos), "pad_lit": is_pad_lit(qpos)}
        return geom_opacities(self.model, opacities)


class OpenDrawerTask(DeskTask):
    """Shared by the tasks that start with the drawer open, and cubes and hand out of its way."""

    def sample_initial_state(self, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        # By rejection: cubes and hand keep the distribution that they have in the other tasks.
        while True:
            qpos, qvel = super().sample_initial_state(rng)
            red_y = qpos[RED_CUBE.start + 1]
            blue_y = qpos[BLUE_CUBE.start + 1]
            ee_y = ee_position(qpos[None])[0, 1]
            if max(red_y, blue_y, ee_y) < DRAWER_CLEAR_Y:
                break
        qpos[DRAWER] = rng.uniform(DRAWER_TRAVEL - 0.01, DRAWER_TRAVEL)
        return qpos, qvel
