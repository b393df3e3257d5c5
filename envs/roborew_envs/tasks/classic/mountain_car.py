"""Reach the flag: a car too weak for the hill must swing to and fro in the valley until it comes
up."""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar

import mujoco
import numpy as np
from numpy.polynomial import Polynomial
from numpy.typing import NDArray

from roborew_envs.core.mjcf import load_world
from roborew_envs.core.task import BoolArray, FloatArray, IntArray, Language, Task
from roborew_envs.tasks.gymnasium_bodies import add_visual_box

ROAD_HEIGHT = Polynomial([0.20, 0.0, 0.70, 0.04, -0.085])
"""Height of the road above the floor at a place along x [m]; the valley's bottom is at 0."""
FLAG_X = 2.0
"""Place of the flag on the right hill [m]."""
LEFT, RIGHT = -1.45, 2.30
"""Ends of the road [m]."""
GRAVITY = 9.81
_SEGMENTS = 30


class MountainCar(Task):
    """A mass on a curved road under gravity, pushed along its nose; after Moore 1990. An action is
    held for 50 ms.

    Progress is the energy won of what the flag's height takes, for nothing else tells a swing that
    helps from one that does not; three tenths of it are given only towards the flag.
    """

    id = "roborew/MountainCar-v0"
    cameras: ClassVar[tuple[str, ...]] = ("front", "quarter")
    horizon = 150
    stages: ClassVar[tuple[str, ...]] = ("valley", "swinging", "at the flag")
    substeps = 10
    action_size = 1
    language = Language(
        instruction="drive the car up to the flag",
        paraphrases=(
            "reach the flag on the hill",
            "please bring the car to the flag",
            "get the car up the right hill",
            "climb the hill as far as the flag",
            "the car arrives at the flag",
            "swing through the valley until you reach the flag",
            "take the red car to the hilltop with the flag",
            "drive up the mountain to the yellow flag",
            "park the car beside the flag",
            "make it to the flag on top",
        ),
        wrong_instructions=(
            "stay in the valley",
            "drive away from the flag",
            "do not drive up to the flag",
            "drive up the left hill and stop there",
            "park at the bottom",
            "turn the car over",
            "open the drawer",
            "hello",
        ),
    )

    def build(self) -> mujoco.MjModel:
        spec = load_world("mountain_car.xml")
        places = np.linspace(LEFT, RIGHT, 200)
        pitch = Polynomial.fit(places, np.arctan(ROAD_HEIGHT.deriv()(places)), 4).convert()
        for joint, curve in (("z", ROAD_HEIGHT), ("pitch", pitch)):
            data = np.zeros(mujoco.mjNEQDATA)
            data[:5] = curve.coef
            spec.add_equality(
                type=mujoco.mjtEq.mjEQ_JOINT,
                name1=joint,
                name2="x",
                objtype=mujoco.mjtObj.mjOBJ_JOINT,
                data=data,
                solref=(0.01, 1),
                solimp=(0.99, 0.999, 0.001, 0.5, 2),
            )
        _add_road(spec)
        _add_flag(spec)
        return spec.compile()

    def sample_initial_state(self, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        """At rest near the bottom of the valley."""
        x = rng.uniform(-0.25, 0.25)
        slope = ROAD_HEIGHT.deriv()(x)
        return np.array([x, ROAD_HEIGHT(x), np.arctan(slope)]), np.zeros(3)

    def action_to_ctrl(self, qpos: FloatArray, actions: FloatArray) -> FloatArray:
        return actions

    def observe(self, qpos: FloatArray, qvel: FloatArray) -> NDArray[np.float32]:
        """Place and velocity along x, shape (N, 2) [m, m/s]."""
        return np.column_stack([qpos[:, 0], qvel[:, 0]]).astype(np.float32)

    def success(self, qpos: FloatArray, qvel: FloatArray) -> BoolArray:
        return qpos[:, 0] >= FLAG_X

    def partial_progress(self, qpos: FloatArray, qvel: FloatArray) -> FloatArray:
        x, speed = qpos[:, 0], qvel[:, 0] * np.hypot(1.0, ROAD_HEIGHT.deriv()(qpos[:, 0]))
        energy = GRAVITY * (ROAD_HEIGHT(x) - ROAD_HEIGHT(0)) + speed**2 / 2
        share = np.minimum(energy / (GRAVITY * (ROAD_HEIGHT(FLAG_X) - ROAD_HEIGHT(0))), 1.0)
        return share * (0.7 + 0.3 * np.clip(x / FLAG_X, 0.0, 1.0))

    def partial_stage(self, qpos: FloatArray, qvel: FloatArray) -> IntArray:
        return (self.partial_progress(qpos, qvel) >= 0.25).astype(np.int64)


def _add_road(spec: mujoco.MjSpec) -> None:
    """Slabs along the curve in two greys, each on a pillar down to the floor."""
    ends = np.linspace(LEFT - 0.3, RIGHT + 0.3, _SEGMENTS + 1)
    for i, (start, stop) in enumerate(pairwise(ends)):
        middle, half = (start + stop) / 2, (stop - start) / 2
        low = min(ROAD_HEIGHT(start), ROAD_HEIGHT(stop)) - 0.05
        green = 0.36 + 0.06 * (i % 2)
        add_visual_box(
            spec, f"hill_{i}", (middle, 0, low / 2), (half, 0.4, low / 2), (0.16, green, 0.14)
        )
        slope = np.arctan2(ROAD_HEIGHT(stop) - ROAD_HEIGHT(start), stop - start)
        length = np.hypot(stop - start, ROAD_HEIGHT(stop) - ROAD_HEIGHT(start)) / 2 + 0.01
        place = (middle, 0, (ROAD_HEIGHT(start) + ROAD_HEIGHT(stop)) / 2 - 0.02)
        shade = 0.30 + 0.12 * (i % 2)
        road = add_visual_box(spec, f"road_{i}", place, (length, 0.42, 0.02), (shade, shade, shade))
        road.quat = (np.cos(slope / 2), 0, -np.sin(slope / 2), 0)


def _add_flag(spec: mujoco.MjSpec) -> None:
    """A yellow flag on a white pole behind the road."""
    foot = ROAD_HEIGHT(FLAG_X)
    add_visual_box(
        spec, "flag_pole", (FLAG_X, 0.3, foot + 0.4), (0.025, 0.025, 0.4), (0.97, 0.97, 0.97)
    )
    add_visual_box(
        spec, "flag", (FLAG_X + 0.19, 0.3, foot + 0.66), (0.17, 0.01, 0.13), (1.0, 0.85, 0.05)
    )
