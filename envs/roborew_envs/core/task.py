"""What a task is: its words, its starts, its truth. One subclass a file; nothing here knows of
rewards or agents."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import ClassVar

import mujoco
import numpy as np
from numpy.typing import NDArray

from roborew_envs.core.skill_set import SkillSet
from roborew_envs.rendering.renderer import Overrides

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Language:
    """The sentences of a task.

    Attributes:
        instruction: the canonical goal.
        paraphrases: at least 8 sentences with the same meaning.
        wrong_instructions: at least 4 sentences that this task does not fulfil: other tasks,
            opposites, negations.
    """

    instruction: str
    paraphrases: tuple[str, ...]
    wrong_instructions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Truth:
    """What the simulator knows of N states: it evaluates agents, and never trains one.

    Attributes:
        progress: shape (N,), float32 in [0, 1].
        success: shape (N,), bool.
        stage: shape (N,), int64, an index into the task's stages.
    """

    progress: NDArray[np.float32]
    success: BoolArray
    stage: IntArray


class Task(ABC):
    """A goal in a MuJoCo world, with its exact truth. Every method works on N states at once and
    keeps no state.

    Laws held by tests: progress lies in [0, 1] and is exactly 1 where, and only where, success is
    True; stage is the last index exactly where success is True; no failed state is a success or a
    start; the same generator state gives the same start.
    """

    id: ClassVar[str]
    language: ClassVar[Language]
    cameras: ClassVar[tuple[str, ...]]
    """Names of cameras, the default first."""
    horizon: ClassVar[int]
    """Steps of an episode; reaching it is a truncation."""
    stages: ClassVar[tuple[str, ...]]
    """Names of the stages in order; the last means success."""
    substeps: ClassVar[int]
    """Physics steps per environment step."""
    action_size: ClassVar[int]
    robot_state: ClassVar[slice | None] = None
    """Entries of `observe` that the robot knows by itself: joints, velocities, gripper, posture; no
    place of another thing. None where the task does not say."""
    robot_joints: ClassVar[slice | None] = None
    """Entries of qpos that are the robot's, the others being those of things; None where no thing
    has a place of its own, or the task does not say."""
    scripted_policy: ClassVar[SkillSet | None] = None
    """Skills for scripted behaviors, see `experts`; None where there are none."""
    train_timesteps: ClassVar[int] = 500_000
    """Environment steps, over all simulations, of a training run that names no number."""
    train_init_std: ClassVar[float | None] = None
    """First standard deviation of PPO's actions in such a run; None leaves it to the reward."""
    train_ppo: ClassVar[Mapping[str, float]] = MappingProxyType({})
    """Other settings of PPO in such a run, by name; its own defaults for the rest."""
    train_oracle: ClassVar[Mapping[str, float]] = MappingProxyType({})
    """Settings of the reward in a run that is paid the task's own progress, by name."""

    @cached_property
    def model(self) -> mujoco.MjModel:
        """The world; built once a task object."""
        return self.build()

    @property
    def fps(self) -> float:
        """Steps in a second of simulated time: a film of so many frames a second shows it as fast
        as it is."""
        return 1.0 / (self.model.opt.timestep * self.substeps)

    @abstractmethod
    def build(self) -> mujoco.MjModel:
        """Compile the world."""

    @abstractmethod
    def sample_initial_state(self, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        """Draw a start: qpos, shape (nq,), and qvel, shape (nv,)."""

    @abstractmethod
    def action_to_ctrl(self, qpos: FloatArray, actions: FloatArray) -> FloatArray:
        """Actuator targets, shape (N, nu), for actions in [-1, 1], shape (N, action_size)."""

    @abstractmethod
    def observe(self, qpos: FloatArray, qvel: FloatArray) -> NDArray[np.float32]:
        """What the agent sees: proprioception and object poses, shape (N, D)."""

    @abstractmethod
    def success(self, qpos: FloatArray, qvel: FloatArray) -> BoolArray:
        """Whether the goal holds in each state, shape (N,)."""

    @abstractmethod
    def partial_progress(self, qpos: FloatArray, qvel: FloatArray) -> FloatArray:
        """How far each state is, shape (N,); `progress` clips it to [0, 0.99] and puts 1 where the
        goal holds."""

    @abstractmethod
    def partial_stage(self, qpos: FloatArray, qvel: FloatArray) -> IntArray:
        """Index into `stages` of each state as if success were False, shape (N,)."""

    def failed(self, qpos: FloatArray, qvel: FloatArray) -> BoolArray:
        """Whether all is lost in each state, shape (N,), which ends the episode: a fall; nowhere by
        default."""
        del qvel
        return np.zeros(len(qpos), np.bool_)

    def evaluate(self, qpos: FloatArray, qvel: FloatArray) -> Truth:
        """The truth of each state, with `success` computed once."""
        success = self.success(qpos, qvel)
        progress = self._progress(qpos, qvel, success)
        last_stage = len(self.stages) - 1
        partial_stage = np.minimum(self.partial_stage(qpos, qvel), last_stage - 1)
        stage = np.where(success, last_stage, partial_stage)
        return Truth(progress.astype(np.float32), success, stage)

    def progress(self, qpos: FloatArray, qvel: FloatArray) -> FloatArray:
        """Truth in [0, 1], shape (N,): 1 exactly where `success`, else at most 0.99."""
        return self._progress(qpos, qvel, self.success(qpos, qvel))

    def stage(self, qpos: FloatArray, qvel: FloatArray) -> IntArray:
        """Index into `stages`, shape (N,); the last exactly where `success`."""
        return self.evaluate(qpos, qvel).stage

    def _progress(self, qpos: FloatArray, qvel: FloatArray, success: BoolArray) -> FloatArray:
        # Short of 1: a progress of 1 says success and nothing else.
        partial = np.clip(self.partial_progress(qpos, qvel), 0.0, 0.99)
        return np.where(success, 1.0, partial)

    def visual_overrides(self, qpos: FloatArray) -> Overrides:
        """Colours that depend on the state (a lamp that lights); none by default."""
        del qpos
        return Overrides()

    @property
    def instruction(self) -> str:
        """The canonical goal."""
        return self.language.instruction

    @property
    def paraphrases(self) -> tuple[str, ...]:
        """Sentences with the same meaning."""
        return self.language.paraphrases

    @property
    def wrong_instructions(self) -> tuple[str, ...]:
        """Sentences that the task does not fulfil."""
        return self.language.wrong_instructions
