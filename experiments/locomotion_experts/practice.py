"""A pose on the feet as it is practised: the same body, more kinds of starts, longer episodes, a
smooth pay.

A true success is far from most that a beginner does. What is paid here changes with every step: how
near the joints are to the pose's, and how far the body's capture point (Pratt et al. 2006,
doi:10.1109/ICHR.2006.321385), to which it is about to fall, lies beside the feet.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import mujoco
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper
from numpy.typing import NDArray

from experiments.locomotion_experts.reflex import part_of
from roborew_envs import TaskVectorEnv
from roborew_envs.core.task import BoolArray, FloatArray, IntArray
from roborew_envs.tasks.humanoid.humanoid import Humanoid
from roborew_envs.tasks.humanoid.poses import Pose
from roborew_envs.tasks.kinematics import BodyPoses

SWAY = 0.3
"""Spread of the body's speed in episodes that begin between standing and the pose [m/s]."""
PAY, ALIVE, NEAR = 0.1, 0.3, 0.5
"""For a step, and its parts: for not falling, for the pose."""
EFFORT, HURRY = 0.02, 0.002
"""Costs, of that pay: of the mean square of the learned action, of the joints' speeds [rad/s]."""
NEAREST = 0.99
"""Nearness from which on nothing more is gained."""
ERROR, LEAN = 3.0, 4.0
"""How fast nearness falls with the mean square of the joints' errors [rad], and with 1 less the
cosine of the lean."""
FALLING, BESIDE = 0.3, 0.2
"""Time constant of a fall [s]; distance of the capture point from the feet's middle that pays 1/e
[m]."""
UPRIGHT = 0.4
"""Cosine of the trunk's lean below which the body has fallen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """How a pose is practised.

    Attributes:
        lowest: height of the torso below which the body has fallen [m].
        horizon: steps of an episode.
        posed: share of the episodes that begin between standing and the pose, the others where the
            task does.
        over: part of the pay for a capture point over the feet.
        held: part for the task's own progress, which the joints alone tell too little of where they
            are far from the pose's.
        drift: cost of the square of the body's speed [m/s].
    """

    lowest: float = 0.9
    horizon: int = 300
    posed: float = 0.3
    over: float = 0.4
    held: float = 0.0
    drift: float = 0.02


class Practice(Humanoid):
    """A pose of a task, practised; its truth is the task's own.

    Args:
        task: whose body and starts.
        pose: that is held.
        drill: how.
    """

    id = "roborew/Practice-v0"
    stages: ClassVar[tuple[str, ...]] = ("practising", "held")
    substeps = 3

    def __init__(self, task: Humanoid, pose: Pose, drill: Drill) -> None:
        self._task, self._drill = task, drill
        self._pose: Pose = pose
        self.horizon = drill.horizon

    def build(self) -> mujoco.MjModel:
        """The body in steps of 5 ms of the first order instead of 3 ms of the fourth: six times as
        fast."""
        model = self._task.build()
        model.opt.integrator, model.opt.timestep = mujoco.mjtIntegrator.mjINT_IMPLICITFAST, 0.005
        return model

    @cached_property
    def _goal(self) -> FloatArray:
        return self._task.joint_angles(self._pose)

    @cached_property
    def _arms(self) -> BoolArray:
        return np.array(
            [part_of(self.model.joint(i).name) == "arm" for i in range(1, self.model.njnt)]
        )

    @cached_property
    def _standing(self) -> BoolArray:
        """Which of the left and the right foot are down in the pose."""
        qpos = self._task.sample_pose(np.random.default_rng(0), self._pose, noise=0.0)
        heights = self.geom_pair(self._task.kinematics.forward(qpos[None]), "foot")[0, :, 2]
        return heights < heights.min() + 0.05

    def sample_initial_state(self, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        if rng.random() >= self._drill.posed:
            return self._task.sample_initial_state(rng)
        qvel = 0.2 * rng.standard_normal(self.model.nv)
        qvel[:2] = SWAY * rng.standard_normal(2)
        return self._task.sample_pose(rng, self._pose, rng.uniform(), noise=0.06), qvel

    def gates_and_terms(self, poses: BodyPoses) -> tuple[FloatArray, FloatArray]:
        return self._task.gates_and_terms(poses)

    def success(self, qpos: FloatArray, qvel: FloatArray) -> BoolArray:
        return self._task.success(qpos, qvel)

    def partial_progress(self, qpos: FloatArray, qvel: FloatArray) -> FloatArray:
        return self._task.partial_progress(qpos, qvel)

    def partial_stage(self, qpos: FloatArray, qvel: FloatArray) -> IntArray:
        return np.zeros(len(qpos), np.int64)

    def near(self, qpos: FloatArray) -> NDArray[np.float32]:
        """Up to `NEAREST` upright with the joints of the pose, less elsewhere, shape (N,)."""
        squares = (qpos[:, 7:] - self._goal) ** 2
        arms, rest = squares[:, self._arms].mean(axis=1), squares[:, ~self._arms].mean(axis=1)
        joints = (np.exp(-ERROR * arms) + np.exp(-ERROR * rest)) / 2
        return np.minimum(joints * np.exp(-LEAN * (1 - _upright(qpos))), NEAREST).astype(np.float32)

    def over_feet(self, qpos: FloatArray, qvel: FloatArray) -> FloatArray:
        """1 where the body's capture point is midway between the feet it stands on, less elsewhere,
        shape (N,)."""
        poses, masses = self._task.kinematics.forward(qpos), self.model.body_mass
        centres = poses.body_positions + np.einsum(
            "nbij,bj->nbi", poses.body_rotations, self.model.body_ipos
        )
        centre = np.einsum("b,nbi->ni", masses / masses.sum(), centres)
        feet = self.geom_pair(poses, "foot")[:, self._standing].mean(axis=1)
        beside = centre[:, :2] + FALLING * qvel[:, :2] - feet[:, :2]
        return np.exp(-((beside / BESIDE) ** 2).sum(axis=1))

    def fallen(self, qpos: FloatArray) -> BoolArray:
        """Shape (N,)."""
        return (qpos[:, 2] < self._drill.lowest) | (_upright(qpos) < UPRIGHT)


def _upright(qpos: FloatArray) -> FloatArray:
    return 1 - 2 * (qpos[:, 4] ** 2 + qpos[:, 5] ** 2)


class Practised(VectorWrapper[Any, Any, Any]):
    """Pays for every step without a fall, and ends the episodes of the fallen.

    Args:
        env: simulations of a `Practice`.
        drill: what is paid.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any], drill: Drill) -> None:
        super().__init__(env)
        self._drill = drill
        assert isinstance(env.unwrapped, TaskVectorEnv) and isinstance(env.unwrapped.task, Practice)
        self._task, self._core = env.unwrapped.task, env.unwrapped.core

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Act, and be paid."""
        observations, _, terminated, truncated, infos = self.env.step(actions)
        qpos, qvel = self._core.simulation.qpos, self._core.simulation.qvel
        hurry, drift = (qvel[:, 6:] ** 2).mean(axis=1), (qvel[:, :2] ** 2).sum(axis=1)
        drill, rushed, drifted = self._drill, np.minimum(hurry, 50), np.minimum(drift, 5)
        costs = EFFORT * (actions**2).mean(axis=1) + HURRY * rushed + drill.drift * drifted
        gains = ALIVE + drill.over * self._task.over_feet(qpos, qvel) + NEAR * self._task.near(qpos)
        gains += drill.held * infos["progress"]
        fallen = self._task.fallen(qpos)
        return observations, PAY * (gains - costs) * ~fallen, terminated | fallen, truncated, infos


def practice(task: Humanoid, pose: Pose, drill: Drill, num_envs: int) -> VectorEnv[Any, Any, Any]:
    """Simulations of a pose that is practised, without its pay."""
    return TaskVectorEnv(
        Practice(task, pose, drill), num_envs, autoreset_mode=AutoresetMode.DISABLED
    )
