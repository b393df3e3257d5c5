"""Poses by text: the body, its postures, and how geometry says that a pose holds. The poses are in
`poses_*.py`."""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property
from typing import ClassVar

import mujoco
import numpy as np
from numpy.typing import NDArray

from roborew_envs.core.task import BoolArray, FloatArray, IntArray, Task
from roborew_envs.tasks.gymnasium_bodies import (
    add_fixed_camera,
    color_geoms,
    compile_body,
    load_body,
)
from roborew_envs.tasks.humanoid.poses import Pose, joint_angle
from roborew_envs.tasks.kinematics import BodyPoses, Kinematics, euler_to_quaternion


def linear_ramp(value: FloatArray, low: float, high: float) -> FloatArray:
    """0 up to ``low``, 1 from ``high`` on, straight between."""
    return np.clip((value - low) / (high - low), 0.0, 1.0)


class Humanoid(Task):
    """Gymnasium's Humanoid with a frame skip of 5, as in Humanoid-v5; action +-1 is the full range
    of each motor.

    A pose is told by gates and parts, all in [0, 1]: it holds where all of them are 1, and its
    progress is the product of the gates (without which nothing counts, as being upright) times the
    mean of the parts.
    """

    cameras: ClassVar[tuple[str, ...]] = ("quarter", "front", "side")
    horizon = 150
    substeps = 5
    action_size = 17

    def build(self) -> mujoco.MjModel:
        spec = load_body("humanoid.xml")
        color_geoms(
            spec,
            {"hand": (0.95, 0.15, 0.15), "foot": (0.12, 0.12, 0.14), "head": (0.95, 0.78, 0.62)},
        )
        color_geoms(spec, {"thigh": (0.16, 0.24, 0.55), "shin": (0.25, 0.42, 0.85)})
        color_geoms(
            spec,
            {"arm": (0.98, 0.82, 0.20), "waist": (0.93, 0.45, 0.10), "torso": (0.93, 0.45, 0.10)},
        )
        color_geoms(spec, {"butt": (0.16, 0.24, 0.55)})
        middle = (0.0, 0.0, 0.95)
        add_fixed_camera(spec, "quarter", (2.5, -1.8, 1.35), middle)
        add_fixed_camera(spec, "front", (3.0, 0.0, 1.2), middle)
        add_fixed_camera(spec, "side", (0.0, -3.0, 1.1), middle)
        return compile_body(spec)

    @cached_property
    def kinematics(self) -> Kinematics:
        """Forward kinematics of the body."""
        return Kinematics(self.model)

    @cached_property
    def _ranges(self) -> FloatArray:
        return self.model.jnt_range[1:]  # the first joint is the free root

    def joint_angles(self, pose: Pose) -> FloatArray:
        """The pose's reference angles in the order of qpos[7:], shape (17,) [rad]."""
        names = [self.model.joint(i + 1).name for i in range(len(self._ranges))]
        angles = np.deg2rad([joint_angle(pose, name) for name in names])
        return np.clip(angles, self._ranges[:, 0], self._ranges[:, 1])

    def sample_pose(
        self, rng: np.random.Generator, pose: Pose, amount: float = 1.0, noise: float = 0.03
    ) -> FloatArray:
        """Draw a qpos, shape (24,), between standing and a pose, its lowest point on the floor.

        Args:
            rng: where chance comes from.
            pose: the pose gone to.
            amount: 0 stands, 1 holds the pose.
            noise: spread of every joint angle and of the trunk's lean [rad].
        """
        stand, goal = self.joint_angles("stand"), self.joint_angles(pose)
        angles = stand + amount * (goal - stand) + noise * rng.standard_normal(len(stand))
        qpos = np.zeros(self.model.nq)
        qpos[:2] = rng.uniform(-0.1, 0.1, 2)
        qpos[3:7] = euler_to_quaternion(
            np.append(noise * rng.standard_normal(2), rng.uniform(-0.4, 0.4))
        )
        qpos[7:] = np.clip(angles, self._ranges[:, 0], self._ranges[:, 1])
        qpos[2] -= self.kinematics.lowest_height(qpos[None])[0]
        return qpos

    def sample_initial_state(self, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        return self.sample_pose(rng, "stand"), 0.05 * rng.standard_normal(self.model.nv)

    def action_to_ctrl(self, qpos: FloatArray, actions: FloatArray) -> FloatArray:
        return actions * self.model.actuator_ctrlrange[:, 1]

    def observe(self, qpos: FloatArray, qvel: FloatArray) -> NDArray[np.float32]:
        """Height, orientation, joint angles, and a tenth of every velocity; shape (N, 45)."""
        return np.concatenate([qpos[:, 2:], 0.1 * qvel], axis=1, dtype=np.float32)

    @abstractmethod
    def gates_and_terms(self, places: BodyPoses) -> tuple[FloatArray, FloatArray]:
        """Shapes (N, gates) and (N, parts), each in [0, 1]; the pose holds where all are 1."""

    def success(self, qpos: FloatArray, qvel: FloatArray) -> BoolArray:
        gates, parts = self.gates_and_terms(self.kinematics.forward(qpos))
        return (gates == 1).all(axis=1) & (parts == 1).all(axis=1)

    def partial_progress(self, qpos: FloatArray, qvel: FloatArray) -> FloatArray:
        gates, parts = self.gates_and_terms(self.kinematics.forward(qpos))
        return gates.prod(axis=1) * parts.mean(axis=1)

    def partial_stage(self, qpos: FloatArray, qvel: FloatArray) -> IntArray:
        return (self.partial_progress(qpos, qvel) >= 0.5).astype(np.int64)

    def uprightness(self, places: BodyPoses) -> FloatArray:
        """1 where the trunk leans by less than 20 degrees, 0 from 75 on."""
        lowest, highest = np.cos(np.deg2rad([75, 20]))
        return linear_ramp(
            places.body_rotations[:, self.model.body("torso").id, 2, 2], lowest, highest
        )

    def body_pair(self, places: BodyPoses, name: str) -> FloatArray:
        """Origins of the left and the right body of that name, shape (N, 2, 3) [m]."""
        return places.body_positions[
            :, [self.model.body(f"{side}_{name}").id for side in ("left", "right")]
        ]

    def geom_pair(self, places: BodyPoses, name: str) -> FloatArray:
        """Centres of the left and the right geom of that name, shape (N, 2, 3) [m]."""
        return places.geom_positions[
            :, [self.model.geom(f"{side}_{name}").id for side in ("left", "right")]
        ]

    def to_body_frame(self, body: str, places: BodyPoses, points: FloatArray) -> FloatArray:
        """Points (N, K, 3) of the world in the frame of a body, shape (N, K, 3) [m]."""
        i = self.model.body(body).id
        return (points - places.body_positions[:, None, i]) @ places.body_rotations[:, i]


class OnFeet(Humanoid):
    """A pose that is held standing: the trunk must be upright and high, whatever else is asked
    for."""

    def gates_and_terms(self, places: BodyPoses) -> tuple[FloatArray, FloatArray]:
        height = places.body_positions[:, self.model.body("torso").id, 2]
        return np.column_stack(
            [self.uprightness(places), linear_ramp(height, 0.5, 1.0)]
        ), self.terms(places)

    @abstractmethod
    def terms(self, places: BodyPoses) -> FloatArray:
        """Shape (N, parts), each in [0, 1]; all are 1 where the pose holds."""
