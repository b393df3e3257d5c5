"""A reflex: the joints are drawn to a posture, and what an agent learns is added to that.

Balancing around a posture is a far smaller thing to learn than the posture and the balance
together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
from gymnasium.vector import VectorEnv, VectorWrapper
from numpy.typing import NDArray

from roborew_envs import Task
from roborew_envs.experts.policies import to_heading_frame
from roborew_envs.tasks.humanoid.humanoid import Humanoid
from roborew_envs.tasks.humanoid.poses import Pose

FloatArray = NDArray[np.float64]
_SKIPPED, _SLOWED = 2, 0.1
"""Observations leave out the first two of qpos, and hold a tenth of qvel."""
QUADRUPED = np.tile(np.deg2rad([0.0, 43.0, -60.0]), 4)
"""Abduction, hip and knee of a quadruped that stands [rad]."""


@dataclass(frozen=True, slots=True)
class Reflex:
    """Action that is linear in the observation: ``observations @ weights + bias``.

    Attributes:
        weights: shape (D, A).
        bias: shape (A,).
        heading: see `roborew_envs.experts.policies.to_heading_frame`; the agent sees what the reflex sees.
    """

    weights: FloatArray
    bias: FloatArray
    heading: tuple[int, ...] = ()

    @classmethod
    def none(cls, observations: int, actions: int) -> Reflex:
        """The reflex of a body that has none."""
        return cls(np.zeros((observations, actions)), np.zeros(actions))

    def __call__(self, observations: NDArray[Any]) -> FloatArray:
        """Shape (N, A)."""
        return observations @ self.weights + self.bias


def shifted(task: Humanoid, pose: Pose, shift: Mapping[str, float]) -> FloatArray:
    """The pose's angles in the order of qpos[7:], shifted [degrees] within the joints' ranges,
    shape (17,) [rad]."""
    joints = [task.model.joint(i).name for i in range(1, task.model.njnt)]
    sides = [name.partition("_")[::2] for name in joints]
    signs = [-1 if side == "right" and both.startswith("shoulder") else 1 for side, both in sides]
    shifts = [sign * shift.get(both, 0.0) for sign, (_, both) in zip(signs, sides, strict=True)]
    shifts = [shift.get(name, each) for name, each in zip(joints, shifts, strict=True)]
    low, high = task.model.jnt_range[1:].T
    return np.clip(task.joint_angles(pose) + np.deg2rad(shifts), low, high)


def part_of(joint: str) -> str:
    """Which part of the body a joint belongs to: abdomen, hip, knee or arm.

    >>> part_of("left_hip_x"), part_of("abdomen_y"), part_of("right_elbow")
    ('hip', 'abdomen', 'arm')
    """
    name = joint.removeprefix("left_").removeprefix("right_").split("_")[0]
    return name if name in ("abdomen", "hip", "knee") else "arm"


def to_stance(task: Task, stiffness: float = 0.5, damping: float = 0.05) -> Reflex:
    """Servos that ask for a place a share ``stiffness`` of the way to the stance, less ``damping``
    s of their speed."""
    low, high = task.model.actuator_ctrlrange.T
    by_motor = np.ones(task.model.nu)
    reflex = joint_wise(
        task, QUADRUPED, (1 - stiffness) * by_motor, -damping * by_motor, stiffness * by_motor
    )
    scale = 2 / (high - low)
    return Reflex(reflex.weights * scale, (reflex.bias - low) * scale - 1)


def joint_wise(
    task: Task, goal: FloatArray, place: FloatArray, speed: FloatArray, pull: FloatArray
) -> Reflex:
    """Each motor by its own joint: ``place`` times its angle, ``speed`` times its rate, ``pull``
    times its goal.

    Args:
        task: whose body.
        goal: by joint after the free root.
        place: by motor, as all that follows.
        speed: by motor.
        pull: by motor.
    """
    model = task.model
    reflex = Reflex.none(model.nq - _SKIPPED + model.nv, model.nu)
    for motor in range(model.nu):
        joint = model.actuator_trnid[motor, 0]
        assert model.actuator_trntype[motor] == mujoco.mjtTrn.mjTRN_JOINT
        address = model.jnt_qposadr[joint]
        reflex.weights[address - _SKIPPED, motor] = place[motor]
        reflex.weights[model.nq - _SKIPPED + model.jnt_dofadr[joint], motor] = (
            speed[motor] / _SLOWED
        )
        reflex.bias[motor] = pull[motor] * goal[address - model.jnt_qposadr[1]]
    return reflex


class WithReflex(VectorWrapper[Any, Any, Any]):
    """An agent's actions are added to a reflex, and the sum is kept in [-1, 1]; both see the body
    facing along x."""

    def __init__(self, env: VectorEnv[Any, Any, Any], reflex: Reflex) -> None:
        super().__init__(env)
        self._reflex = reflex
        self._observations = np.zeros((env.num_envs, len(reflex.weights)))

    def reset(self, **settings: Any) -> tuple[Any, dict[str, Any]]:
        """Begin."""
        observations, infos = self.env.reset(**settings)
        self._observations = to_heading_frame(observations, self._reflex.heading)
        return self._observations, infos

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Act."""
        observations, *rest = self.env.step(
            np.clip(self._reflex(self._observations) + actions, -1, 1).astype(np.float32)
        )
        self._observations = to_heading_frame(observations, self._reflex.heading)
        return self._observations, *rest
