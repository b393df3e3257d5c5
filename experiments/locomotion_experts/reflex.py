"""A reflex: the joints are drawn to a posture, and what an agent learns is added to that.

Balancing around a posture is a far smaller thing to learn than the posture and the balance together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
from gymnasium.vector import VectorEnv, VectorWrapper
from numpy.typing import NDArray

from roborew_envs import Task
from roborew_envs.humanoid import Humanoid
from roborew_envs.policies import facing_x
from roborew_envs.poses import Pose

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
        heading: see `roborew_envs.policies.facing_x`; the agent sees what the reflex sees.
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


def to_pose(task: Humanoid, pose: Pose, stiffness: float, damping: float) -> Reflex:
    """Torques, in shares of each motor's most: ``stiffness`` a rad from the pose, ``damping`` against each rad/s."""
    goal = task.joint_angles(pose)
    return _joint_wise(task, goal, -stiffness, -damping, stiffness)


def to_stance(task: Task, stiffness: float = 0.5, damping: float = 0.05) -> Reflex:
    """Servos that ask for a place a share ``stiffness`` of the way to the stance, less ``damping`` s of their speed."""
    low, high = task.model.actuator_ctrlrange.T
    reflex = _joint_wise(task, QUADRUPED, 1 - stiffness, -damping, stiffness)
    scale = 2 / (high - low)
    return Reflex(reflex.weights * scale, (reflex.bias - low) * scale - 1)


def _joint_wise(task: Task, goal: FloatArray, place: float, speed: float, pull: float) -> Reflex:
    """Each motor by its own joint: ``place`` times its angle, ``speed`` times its rate, ``pull`` times its goal."""
    model = task.model
    reflex = Reflex.none(model.nq - _SKIPPED + model.nv, model.nu)
    first = model.jnt_qposadr[1]  # goals are in the order of the joints after the free root
    for motor in range(model.nu):
        joint = model.actuator_trnid[motor, 0]
        assert model.actuator_trntype[motor] == mujoco.mjtTrn.mjTRN_JOINT
        address = model.jnt_qposadr[joint]
        reflex.weights[address - _SKIPPED, motor] = place
        reflex.weights[model.nq - _SKIPPED + model.jnt_dofadr[joint], motor] = speed / _SLOWED
        reflex.bias[motor] = pull * goal[address - first]
    return reflex


class WithReflex(VectorWrapper[Any, Any, Any]):
    """An agent's actions are added to a reflex, and the sum is kept in [-1, 1]; both see the body facing along x."""

    def __init__(self, env: VectorEnv[Any, Any, Any], reflex: Reflex) -> None:
        super().__init__(env)
        self._reflex = reflex
        self._observations = np.zeros((env.num_envs, len(reflex.weights)))

    def reset(self, **settings: Any) -> tuple[Any, dict[str, Any]]:
        """Begin."""
        observations, infos = self.env.reset(**settings)
        self._observations = facing_x(observations, self._reflex.heading)
        return self._observations, infos

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Act."""
        observations, *rest = self.env.step(
            np.clip(self._reflex(self._observations) + actions, -1, 1).astype(np.float32)
        )
        self._observations = facing_x(observations, self._reflex.heading)
        return self._observations, *rest
