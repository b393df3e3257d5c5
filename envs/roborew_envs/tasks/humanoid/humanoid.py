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
    """0 up to ``low``, 1 from ``high`` on, straight between; shape as given."""
    share = (value - low) / (high - low)
    return np.clip(share, 0.0, 1.0)


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
    robot_state = slice(0, 45)

    def build(self) -> mujoco.MjModel:
        spec = load_body("humanoid.xml")
        # Each limb in a color of its own, so that a picture tells them apart.
        orange = (0.93, 0.45, 0.10)
        dark_blue = (0.16, 0.24, 0.55)
        color_geoms(
            spec,
            {
                "hand": (0.95, 0.15, 0.15),
                "foot": (0.12, 0.12, 0.14),
                "head": (0.95, 0.78, 0.62),
                "thigh": dark_blue,
                "shin": (0.25, 0.42, 0.85),
                "arm": (0.98, 0.82, 0.20),
                "waist": orange,
                "torso": orange,
                "butt": dark_blue,
            },
        )
        target = (0.0, 0.0, 0.95)
        add_fixed_camera(spec, "quarter", (2.5, -1.8, 1.35), target)
        add_fixed_camera(spec, "front", (3.0, 0.0, 1.2), target)
        add_fixed_camera(spec, "side", (0.0, -3.0, 1.1), target)
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
        # Joint 0 is the free root.
        joints = range(1, self.model.njnt)
        degrees = [joint_angle(pose, self.model.joint(i).name) for i in joints]
        low, high = self._ranges.T
        return np.clip(np.deg2rad(degrees), low, high)

    def sample_pose(
        self, rng: np.random.Generator, pose: Pose, amount: float = 1.0, noise: float = 0.03
    ) -> FloatArray:
        """Draw a qpos, shape (24,), between standing and a pose, its lowest point on the floor.

        Args:
            rng: source of the noise.
            pose: the pose gone to.
            amount: 0 stands, 1 holds the pose.
            noise: standard deviation of every joint angle and of the trunk's lean [rad].
        """
        stand = self.joint_angles("stand")
        posed = stand + amount * (self.joint_angles(pose) - stand)
        angles = posed + noise * rng.standard_normal(len(stand))
        qpos = np.zeros(self.model.nq)
        qpos[:2] = rng.uniform(-0.1, 0.1, 2)
        roll_and_pitch = noise * rng.standard_normal(2)
        yaw = rng.uniform(-0.4, 0.4)
        qpos[3:7] = euler_to_quaternion(np.append(roll_and_pitch, yaw))
        low, high = self._ranges.T
        qpos[7:] = np.clip(angles, low, high)
        # The root stands at height 0 so far: lift it until nothing is below the floor.
        qpos[2] -= self.kinematics.lowest_height(qpos[None])[0]
        return qpos

    def sample_initial_state(self, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        qpos = self.sample_pose(rng, "stand")
        qvel = 0.05 * rng.standard_normal(self.model.nv)
        return qpos, qvel

    def action_to_ctrl(self, qpos: FloatArray, actions: FloatArray) -> FloatArray:
        # The ranges are symmetric: the upper end is the full scale both ways.
        max_ctrl = self.model.actuator_ctrlrange[:, 1]
        return actions * max_ctrl

    def observe(self, qpos: FloatArray, qvel: FloatArray) -> NDArray[np.float32]:
        """Height, orientation, joint angles, and a tenth of every velocity; shape (N, 45)."""
        # Without the place on the floor: a pose is the same everywhere.
        pose = qpos[:, 2:]
        velocity = 0.1 * qvel
        return np.concatenate([pose, velocity], axis=1, dtype=np.float32)

    @abstractmethod
    def gates_and_terms(self, poses: BodyPoses) -> tuple[FloatArray, FloatArray]:
        """Shapes (N, gates) and (N, parts), each in [0, 1]; the pose holds where all are 1."""

    def success(self, qpos: FloatArray, qvel: FloatArray) -> BoolArray:
        gates, terms = self.gates_and_terms(self.kinematics.forward(qpos))
        # Ramps are clipped: a full one is exactly 1, and == is safe.
        gates_open = (gates == 1).all(axis=1)
        terms_full = (terms == 1).all(axis=1)
        return gates_open & terms_full

    def partial_progress(self, qpos: FloatArray, qvel: FloatArray) -> FloatArray:
        poses = self.kinematics.forward(qpos)
        gates, terms = self.gates_and_terms(poses)
        return gates.prod(axis=1) * terms.mean(axis=1)

    def partial_stage(self, qpos: FloatArray, qvel: FloatArray) -> IntArray:
        is_half_way = self.partial_progress(qpos, qvel) >= 0.5
        return is_half_way.astype(np.int64)

    def uprightness(self, poses: BodyPoses) -> FloatArray:
        """1 where the trunk leans by less than 20 degrees, 0 from 75 on, shape (N,)."""
        lowest, highest = np.cos(np.deg2rad([75, 20]))
        torso = self.model.body("torso").id
        # Vertical component of the torso's own z axis: the cosine of its lean.
        up = poses.body_rotations[:, torso, 2, 2]
        return linear_ramp(up, lowest, highest)

    def body_pair(self, poses: BodyPoses, name: str) -> FloatArray:
        """Origins of the left and the right body of that name, shape (N, 2, 3), world [m]."""
        left = self.model.body(f"left_{name}").id
        right = self.model.body(f"right_{name}").id
        return poses.body_positions[:, [left, right]]

    def geom_pair(self, poses: BodyPoses, name: str) -> FloatArray:
        """Centers of the left and the right geom of that name, shape (N, 2, 3), world [m]."""
        left = self.model.geom(f"left_{name}").id
        right = self.model.geom(f"right_{name}").id
        return poses.geom_positions[:, [left, right]]

    def to_body_frame(self, body: str, poses: BodyPoses, points: FloatArray) -> FloatArray:
        """Points of the world, shape (N, K, 3), in the frame of a body: shape (N, K, 3) [m]."""
        body_id = self.model.body(body).id
        relative = points - poses.body_positions[:, None, body_id]
        # Columns of a rotation are the body's axes: a row vector times it is its coordinates.
        return relative @ poses.body_rotations[:, body_id]


class OnFeet(Humanoid):
    """A pose that is held standing: the trunk must be upright and high, whatever else is asked
    for."""

    def gates_and_terms(self, poses: BodyPoses) -> tuple[FloatArray, FloatArray]:
        torso = self.model.body("torso").id
        height = poses.body_positions[:, torso, 2]
        gates = np.column_stack([self.uprightness(poses), linear_ramp(height, 0.5, 1.0)])
        return gates, self.terms(poses)

    @abstractmethod
    def terms(self, poses: BodyPoses) -> FloatArray:
        """Shape (N, terms), each in [0, 1]; all are 1 where the pose holds."""
