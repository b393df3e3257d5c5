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
    robot_state = slice(1, 2)  # its speed; where it is on the road it would have to see
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
        # MuJoCo ties one joint to another by a polynomial of degree 4 and no other function.
        pitch = Polynomial.fit(places, road_pitch(places), 4).convert()
        _tie_to_x(spec, "z", ROAD_HEIGHT)
        _tie_to_x(spec, "pitch", pitch)
        _add_road(spec)
        _add_flag(spec)
        return spec.compile()

    def sample_initial_state(self, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        """At rest near the bottom of the valley."""
        x = rng.uniform(-0.25, 0.25)
        # On the road: elsewhere the ties of height and pitch would jerk the car onto it.
        qpos = np.array([x, ROAD_HEIGHT(x), road_pitch(x)])
        qvel = np.zeros(3)
        return qpos, qvel

    def action_to_ctrl(self, qpos: FloatArray, actions: FloatArray) -> FloatArray:
        return actions

    def observe(self, qpos: FloatArray, qvel: FloatArray) -> NDArray[np.float32]:
        """Place and velocity along x, shape (N, 2) [m, m/s]."""
        x = qpos[:, 0]
        velocity = qvel[:, 0]
        return np.column_stack([x, velocity]).astype(np.float32)

    def success(self, qpos: FloatArray, qvel: FloatArray) -> BoolArray:
        x: FloatArray = qpos[:, 0]
        return x >= FLAG_X

    def partial_progress(self, qpos: FloatArray, qvel: FloatArray) -> FloatArray:
        x = qpos[:, 0]
        slope = ROAD_HEIGHT.deriv()
        # The car moves along the road: its speed is that along x times the road's length a metre.
        speed = qvel[:, 0] * np.hypot(1.0, slope(x))
        # Per kilogram [J/kg], from rest at the bottom of the valley.
        energy = GRAVITY * (ROAD_HEIGHT(x) - ROAD_HEIGHT(0)) + speed**2 / 2
        needed = GRAVITY * (ROAD_HEIGHT(FLAG_X) - ROAD_HEIGHT(0))
        won = np.minimum(energy / needed, 1.0)
        # Never below 0: a swing back to the left must not cost more than the three tenths.
        towards_flag = np.clip(x / FLAG_X, 0.0, 1.0)
        return won * (0.7 + 0.3 * towards_flag)

    def partial_stage(self, qpos: FloatArray, qvel: FloatArray) -> IntArray:
        is_swinging = self.partial_progress(qpos, qvel) >= 0.25
        return is_swinging.astype(np.int64)


def road_pitch(x: FloatArray | float) -> FloatArray:
    """Angle of the road above the horizontal at places ``x`` [m], shape as given [rad]."""
    slope = ROAD_HEIGHT.deriv()
    return np.arctan(slope(x))


def _tie_to_x(spec: mujoco.MjSpec, joint: str, curve: Polynomial) -> None:
    """Make a joint follow the polynomial ``curve``, of degree 4, of the joint ``x``."""
    data = np.zeros(mujoco.mjNEQDATA)
    data[:5] = curve.coef
    # Stiffer than MuJoCo's defaults (0.02 s, 0.9): a soft tie lets the car leave its road.
    spec.add_equality(
        type=mujoco.mjtEq.mjEQ_JOINT,
        name1=joint,
        name2="x",
        objtype=mujoco.mjtObj.mjOBJ_JOINT,
        data=data,
        solref=(0.01, 1),
        solimp=(0.99, 0.999, 0.001, 0.5, 2),
    )


def _add_road(spec: mujoco.MjSpec) -> None:
    """Slabs along the curve in two greys, each on a pillar down to the floor."""
    ends = np.linspace(LEFT - 0.3, RIGHT + 0.3, _SEGMENTS + 1)
    for i, (start, stop) in enumerate(pairwise(ends)):
        _add_pillar(spec, i, start, stop)
        _add_slab(spec, i, start, stop)


def _add_pillar(spec: mujoco.MjSpec, index: int, start: float, stop: float) -> None:
    """The green hill under the road from ``start`` to ``stop`` along x [m]."""
    middle = (start + stop) / 2
    half_width = (stop - start) / 2
    # Below the slabs of the road, which are 4 cm thick.
    top = min(ROAD_HEIGHT(start), ROAD_HEIGHT(stop)) - 0.05
    # Two shades in turn, so that a picture shows how far the car is.
    green = 0.36 + 0.06 * (index % 2)
    add_visual_box(
        spec,
        f"hill_{index}",
        position=(middle, 0, top / 2),
        half_size=(half_width, 0.4, top / 2),
        rgb=(0.16, green, 0.14),
    )


def _add_slab(spec: mujoco.MjSpec, index: int, start: float, stop: float) -> None:
    """The road from ``start`` to ``stop`` along x [m], tilted as the curve."""
    start_height = ROAD_HEIGHT(start)
    stop_height = ROAD_HEIGHT(stop)
    middle = (start + stop) / 2
    run = stop - start
    rise = stop_height - start_height
    pitch = np.arctan2(rise, run)
    # A centimeter longer on both sides, so that no gap shows where two slabs meet at an angle.
    half_length = np.hypot(run, rise) / 2 + 0.01
    # Half its thickness lower, so that its upper face is the road.
    height = (start_height + stop_height) / 2 - 0.02
    shade = 0.30 + 0.12 * (index % 2)
    slab = add_visual_box(
        spec,
        f"road_{index}",
        position=(middle, 0, height),
        half_size=(half_length, 0.42, 0.02),
        rgb=(shade, shade, shade),
    )
    # Up the hill is a rotation about -y.
    slab.quat = (np.cos(pitch / 2), 0, -np.sin(pitch / 2), 0)


def _add_flag(spec: mujoco.MjSpec) -> None:
    """A yellow flag on a white pole behind the road."""
    foot = ROAD_HEIGHT(FLAG_X)
    add_visual_box(
        spec,
        "flag_pole",
        position=(FLAG_X, 0.3, foot + 0.4),
        half_size=(0.025, 0.025, 0.4),
        rgb=(0.97, 0.97, 0.97),
    )
    add_visual_box(
        spec,
        "flag",
        position=(FLAG_X + 0.19, 0.3, foot + 0.66),
        half_size=(0.17, 0.01, 0.13),
        rgb=(1.0, 0.85, 0.05),
    )
