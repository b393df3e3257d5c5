"""Poses by text: a humanoid that stands up, kneels down or raises both arms. A pose is done when its geometry holds."""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property
from typing import ClassVar, Literal

import mujoco
import numpy as np
from numpy.typing import NDArray

from roborew_envs.bodies import add_fixed_camera, colour, compile_body, load_body
from roborew_envs.kinematics import Kinematics, Places
from roborew_envs.task import BoolArray, FloatArray, IntArray, Task, Words

Pose = Literal["stand", "crouch", "kneel", "raise_arms"]

_ARMS_DOWN = {"shoulder1": -50, "shoulder2": 33, "elbow": -88}
_ARMS_UP = {"shoulder1": 82, "shoulder2": -20, "elbow": -80}
_JOINTS: dict[Pose, dict[str, float]] = {
    "stand": {"hip_y": 0, "knee": -5, **_ARMS_DOWN},
    "crouch": {"hip_y": -85, "knee": -125, "abdomen_y": -35, "shoulder1": 0, "shoulder2": 0, "elbow": -45},
    "kneel": {"hip_y": -3, "knee": -92, **_ARMS_DOWN},
    "raise_arms": {"hip_y": 0, "knee": -5, **_ARMS_UP},
}
"""Joint angles of each pose [degrees], given for the left side; those not named are 0."""
_MIRRORED = ("shoulder1", "shoulder2")
"""Joints whose angle has the other sign on the right side."""


def _rising(value: FloatArray, low: float, high: float) -> FloatArray:
    """0 up to ``low``, 1 from ``high`` on, straight between."""
    return np.clip((value - low) / (high - low), 0.0, 1.0)


class Humanoid(Task):
    """Gymnasium's Humanoid with a frame skip of 5, as in Humanoid-v5; action +-1 is the full range of each motor.

    A pose is told by gates and parts, all in [0, 1]: it holds where all of them are 1, and its progress is the product
    of the gates (without which nothing counts, as being upright) times the mean of the parts.
    """

    cameras: ClassVar[tuple[str, ...]] = ("quarter", "front", "side")
    horizon = 150
    substeps = 5
    action_size = 17

    def build(self) -> mujoco.MjModel:
        spec = load_body("humanoid.xml")
        colour(spec, {"hand": (0.95, 0.15, 0.15), "foot": (0.12, 0.12, 0.14), "head": (0.95, 0.78, 0.62)})
        colour(spec, {"thigh": (0.16, 0.24, 0.55), "shin": (0.25, 0.42, 0.85)})
        colour(spec, {"arm": (0.98, 0.82, 0.20), "waist": (0.93, 0.45, 0.10), "torso": (0.93, 0.45, 0.10)})
        colour(spec, {"butt": (0.16, 0.24, 0.55)})
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
        if pose not in _JOINTS:
            raise ValueError(f"pose: got {pose!r}, expected one of {', '.join(_JOINTS)}.")
        angles = np.zeros(len(self._ranges))
        for i in range(len(angles)):
            side, _, joint = self.model.joint(i + 1).name.partition("_")
            sign = -1 if side == "right" and joint in _MIRRORED else 1
            angles[i] = np.deg2rad(sign * _JOINTS[pose].get(joint, 0.0))
        return np.clip(angles, self._ranges[:, 0], self._ranges[:, 1])

    def pose_state(self, rng: np.random.Generator, pose: Pose, amount: float = 1.0, noise: float = 0.03) -> FloatArray:
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
        qpos[3:7] = _orientation(np.append(noise * rng.standard_normal(2), rng.uniform(-0.4, 0.4)))
        qpos[7:] = np.clip(angles, self._ranges[:, 0], self._ranges[:, 1])
        qpos[2] -= self.kinematics.lowest_point(qpos[None])[0]
        return qpos

    def sample(self, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        return self.pose_state(rng, "stand"), 0.05 * rng.standard_normal(self.model.nv)

    def controls(self, qpos: FloatArray, actions: FloatArray) -> FloatArray:
        return actions * self.model.actuator_ctrlrange[:, 1]

    def observe(self, qpos: FloatArray, qvel: FloatArray) -> NDArray[np.float32]:
        """Height, orientation, joint angles, and a tenth of every velocity; shape (N, 45)."""
        return np.concatenate([qpos[:, 2:], 0.1 * qvel], axis=1, dtype=np.float32)

    @abstractmethod
    def gates_and_parts(self, places: Places) -> tuple[FloatArray, FloatArray]:
        """Shapes (N, gates) and (N, parts), each in [0, 1]; the pose holds where all are 1."""

    def success(self, qpos: FloatArray, qvel: FloatArray) -> BoolArray:
        gates, parts = self.gates_and_parts(self.kinematics.places(qpos))
        return (gates == 1).all(axis=1) & (parts == 1).all(axis=1)

    def partial_progress(self, qpos: FloatArray, qvel: FloatArray) -> FloatArray:
        gates, parts = self.gates_and_parts(self.kinematics.places(qpos))
        return gates.prod(axis=1) * parts.mean(axis=1)

    def partial_stage(self, qpos: FloatArray, qvel: FloatArray) -> IntArray:
        return (self.partial_progress(qpos, qvel) >= 0.5).astype(np.int64)

    def _upright(self, places: Places) -> FloatArray:
        """1 where the trunk leans by less than 20 degrees, 0 from 75 on."""
        lowest, highest = np.cos(np.deg2rad([75, 20]))
        return _rising(places.axes[:, self.model.body("torso").id, 2, 2], lowest, highest)

    def _bodies(self, places: Places, name: str) -> FloatArray:
        """Origins of the left and the right body of that name, shape (N, 2, 3) [m]."""
        return places.bodies[:, [self.model.body(f"{side}_{name}").id for side in ("left", "right")]]

    def _geoms(self, places: Places, name: str) -> FloatArray:
        """Centres of the left and the right geom of that name, shape (N, 2, 3) [m]."""
        return places.geoms[:, [self.model.geom(f"{side}_{name}").id for side in ("left", "right")]]


def _orientation(turns: FloatArray) -> FloatArray:
    """Unit quaternion (w, x, y, z), shape (4,), of turns (3,) [rad] about x, then y, then z of the world."""
    quaternion = np.empty(4)
    mujoco.mju_euler2Quat(quaternion, turns, "XYZ")
    return quaternion


class HumanoidStand(Humanoid):
    """Rise from a crouch: upright, trunk high, both feet down."""

    id = "roborew/HumanoidStand-v0"
    stages: ClassVar[tuple[str, ...]] = ("low", "rising", "standing")
    words = Words(
        instruction="stand upright",
        paraphrases=(
            "stand up",
            "please stand up straight",
            "stand on both feet",
            "get up and stand upright",
            "the humanoid should stand tall",
            "a humanoid robot standing up straight",
            "assume an upright stance",
            "come to a stand on both feet",
            "kindly stand up",
            "stand upright with a straight back",
            "pull yourself up and stand straight",
            "hold an upright posture",
        ),
        wrong_instructions=(
            "lie down on the ground",
            "sit down",
            "do not stand up",
            "no standing",
            "stand on your head",
            "do a handstand",
            "kneel on the ground",
            "raise both arms above the head",
            "run forward",
            "asdf qwer",
        ),
    )

    def sample(self, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        """Crouched more or less deeply, leaning, at rest."""
        qpos = self.pose_state(rng, "crouch", amount=rng.uniform(0.7, 1.0), noise=0.08)
        return qpos, 0.05 * rng.standard_normal(self.model.nv)

    def gates_and_parts(self, places: Places) -> tuple[FloatArray, FloatArray]:
        height = places.bodies[:, self.model.body("torso").id, 2]
        feet = self._geoms(places, "foot")[..., 2].max(axis=1)
        gates = np.column_stack([self._upright(places), _rising(-feet, -0.6, -0.2)])
        return gates, _rising(height, 0.8, 1.18)[:, None]


class HumanoidKneel(Humanoid):
    """Go down on both knees, trunk upright, feet behind."""

    id = "roborew/HumanoidKneel-v0"
    cameras: ClassVar[tuple[str, ...]] = ("side", "quarter", "front")
    stages: ClassVar[tuple[str, ...]] = ("standing", "going down", "kneeling")
    words = Words(
        instruction="kneel on the ground",
        paraphrases=(
            "kneel down",
            "please get down on your knees",
            "kneel on both knees",
            "drop to your knees",
            "take a kneeling pose",
            "a humanoid robot kneeling on the ground",
            "kneel on the ground like a knight",
            "come down to a kneel on the ground",
            "kindly kneel down",
            "sink down until you kneel on the floor",
            "let both knees touch the ground and kneel",
            "hold a kneeling posture",
        ),
        wrong_instructions=(
            "stop kneeling",
            "lift both knees off the ground",
            "do not kneel on the ground",
            "never kneel",
            "lie flat on the ground",
            "kneel on the table",
            "sit on the ground",
            "stand upright",
            "raise both arms above the head",
            "the",
        ),
    )

    def gates_and_parts(self, places: Places) -> tuple[FloatArray, FloatArray]:
        knees, feet = self._bodies(places, "shin"), self._geoms(places, "foot")
        forward = places.axes[:, self.model.body("torso").id, :2, 0]
        forward = forward / np.maximum(np.linalg.norm(forward, axis=1, keepdims=True), 1e-9)
        behind = np.einsum("nsk,nk->ns", knees[..., :2] - feet[..., :2], forward)
        parts = [_rising(-knees[..., 2], -0.42, -0.15), _rising(behind, 0.05, 0.20)]
        flat = _rising(-feet[..., 2].max(axis=1), -0.6, -0.15)
        return np.column_stack([self._upright(places), flat]), np.concatenate(parts, axis=1)


class HumanoidRaiseArms(Humanoid):
    """Stand with both hands above the head."""

    id = "roborew/HumanoidRaiseArms-v0"
    stages: ClassVar[tuple[str, ...]] = ("arms low", "raising", "raised")
    words = Words(
        instruction="raise both arms above the head",
        paraphrases=(
            "lift both arms above your head",
            "please put your hands up",
            "raise your arms",
            "hold both hands over your head",
            "stretch your arms up high above your head",
            "a humanoid robot with both arms raised",
            "above your head, lift both arms",
            "point your arms straight up above your head",
            "kindly raise both arms",
            "reach for the sky with both hands",
            "let both arms go up until they are above your head",
            "get both hands above the head",
        ),
        wrong_instructions=(
            "lower both arms",
            "put your hands down",
            "do not raise both arms",
            "raise nothing",
            "raise one arm",
            "raise both legs",
            "clap your hands",
            "stand upright",
            "kneel on the ground",
            "arms the head above both raise the",
        ),
    )

    def gates_and_parts(self, places: Places) -> tuple[FloatArray, FloatArray]:
        height = places.bodies[:, self.model.body("torso").id, 2]
        head = places.geoms[:, self.model.geom("head").id, 2]
        above = self._geoms(places, "hand")[..., 2] - head[:, None]
        gates = np.column_stack([self._upright(places), _rising(height, 0.5, 1.0)])
        return gates, _rising(above, -0.7, 0.15)
