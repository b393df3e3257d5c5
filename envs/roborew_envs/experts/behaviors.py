"""Behaviors, good and bad: scripted for every task that has a plan, else from its trained policy,
else chance alone.

A script bends the plan's skills: slower, stopped, undone, aimed wrong. It reads the simulator's
state; an agent and a reward never do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol, TypeVar, get_args

import numpy as np
from gymnasium.error import Error
from numpy.typing import NDArray

from roborew_envs.core.task import BoolArray, FloatArray, IntArray, Task
from roborew_envs.experts.policies import available_policies, load_policy_network
from roborew_envs.tasks.arm_task import MAX_EE_STEP, ee_position

Behavior = Literal[
    "expert", "slow", "stall", "undo", "near_miss", "wrong_object", "hover", "noisy", "random"
]
PRETRAINED_BEHAVIORS: tuple[Behavior, ...] = ("expert", "stall", "random")
HOVER_HEIGHT_RANGE = (0.07, 0.11)
"""Range of heights above a thing at which a hand hovers [m]."""
NOISE_SHARE_RANGE = (0.3, 0.9)
"""Range of the share of chance in the moves of a noisy expert, one share an episode: pictures
beside the expert's way, as an agent that learns will see them (Laskey et al. 2017,
arXiv:1703.09327)."""
STALL_SHARE_RANGE = (0.4, 0.6)
"""Range of the share of the way from the start to success at which a policy stalls."""


class Policy(Protocol):
    """What plays a behavior."""

    def act(
        self, qpos: FloatArray, progress: FloatArray, observations: NDArray[np.float32]
    ) -> FloatArray:
        """Actions in [-1, 1], shape (N, A), for states (N, nq), their true progress (N,) and
        observations (N, D)."""
        ...


def available_behaviors(task: Task) -> tuple[Behavior, ...]:
    """The behaviors that exist for a task; chance alone without plan and policy, no undo where
    nothing can be."""
    names: tuple[Behavior, ...] = get_args(Behavior)
    if task.scripted_policy is None:
        return PRETRAINED_BEHAVIORS if task.id in available_policies() else ("random",)
    return tuple(name for name in names if name != "undo" or task.scripted_policy.undo is not None)


def make_policy(task: Task, behavior: Behavior, rng: np.random.Generator) -> Policy:
    """What plays a behavior of a task, for any number of simulations from their start on.

    Raises:
        ValueError: the task has no such behavior.
    """
    return (
        PretrainedPolicy(task, behavior, rng)
        if task.scripted_policy is None
        else ScriptedPolicy(task, behavior, rng)
    )


def _check(task: Task, behavior: Behavior) -> None:
    if behavior not in available_behaviors(task):
        raise ValueError(
            f"{task.id}: no behavior {behavior!r}. Available: {', '.join(available_behaviors(task))}."
        )


class PretrainedPolicy:
    """A trained policy all the way, or one that stalls: it does nothing more from somewhere near
    half of its way on; or random actions.

    A body that cannot stay where it is, as a humanoid, a hopper and a pole, falls when it stalls.
    `collect_episodes` promises that a stall never succeeds: one that falls into success is stopped
    earlier, if need be at its start.

    Attributes:
        stops: steps after which each simulation stalled, or those played so far where it has not,
            shape (N,).
    """

    def __init__(
        self,
        task: Task,
        behavior: Behavior,
        rng: np.random.Generator,
        max_steps: IntArray | None = None,
    ) -> None:
        """Choose a behavior; errors as `make_policy`. It stalls after ``max_steps`` steps, shape (N,), if
        not before."""
        _check(task, behavior)
        self._size, self._behavior, self._rng, self._latest = (
            task.action_size,
            behavior,
            rng,
            max_steps,
        )
        self._policy = None if behavior == "random" else load_policy_network(task.id)
        self.stop_steps = np.zeros(0, np.int64)

    def act(
        self, qpos: FloatArray, progress: FloatArray, observations: NDArray[np.float32]
    ) -> FloatArray:
        """See `Policy.act`."""
        if len(self.stop_steps) != len(qpos):
            self._start(progress)
        if self._policy is None:
            self._drift = step_ar1_noise(self._drift, self._rng)
            return np.clip(self._drift, -1, 1)
        actions = self._policy(observations).astype(np.float64)
        if self._behavior == "stall":
            self._stalled |= progress >= self._goal
            if self._latest is not None:
                self._stalled |= self.stop_steps >= self._latest
            actions[self._stalled] = 0.0
        self.stop_steps += ~self._stalled
        return actions

    def _start(self, progress: FloatArray) -> None:
        count = len(progress)
        self.stop_steps, self._stalled = np.zeros(count, np.int64), np.zeros(count, np.bool_)
        self._goal = progress + self._rng.uniform(*STALL_SHARE_RANGE, count) * (1 - progress)
        self._drift = np.zeros((count, self._size))


class StallEpisode(Protocol):
    """An episode of any suite; its success is None where the suite tells none."""

    @property
    def seed(self) -> int: ...

    @property
    def success(self) -> BoolArray | None: ...


S = TypeVar("S", bound=StallEpisode)


def shorten_stalls(
    name: str,
    stalls: list[S],
    stop_steps: IntArray,
    replay: Callable[[list[int], IntArray], list[S]],
) -> list[S]:
    """Play the stalls that reach success again, each stopped after half as many steps, until none
    does.

    Args:
        name: of the environment.
        stalls: the first try.
        stops: steps after which each stopped, shape (N,).
        again: which of them, and after how many steps they shall stop -> these.

    Raises:
        gymnasium.error.Error: a start that is a success already, or becomes one by itself.
    """
    stalls, stop_steps = list(stalls), stop_steps.copy()
    while late := [
        i for i, stall in enumerate(stalls) if stall.success is not None and stall.success.any()
    ]:
        for i in late:
            if stop_steps[i] == 0:
                raise Error(
                    f"{name}: seed {stalls[i].seed} succeeds without being touched: no stall."
                )
        stop_steps[late] //= 2
        for i, stall in zip(late, replay(late, stop_steps[late]), strict=True):
            stalls[i] = stall
    return stalls


def step_ar1_noise(drift: FloatArray, rng: np.random.Generator) -> FloatArray:
    """The next value of noise that leans on its last one."""
    return 0.8 * drift + 0.6 * rng.normal(size=drift.shape)


class ScriptedPolicy:
    """One behavior for N simulations of one task: ``actions(simulations)`` at each step, after
    ``start``."""

    def __init__(self, task: Task, behavior: Behavior, rng: np.random.Generator) -> None:
        """Choose a behavior; errors as `make_policy`."""
        _check(task, behavior)
        assert task.scripted_policy is not None  # or it would have no behaviors
        self.task, self.behavior, self._rng, self._plan = (
            task,
            behavior,
            rng,
            task.scripted_policy,
        )
        self.start(0)

    def start(self, num_envs: int) -> None:
        """Forget all and begin with ``num_envs`` simulations."""
        rng, behavior = self._rng, self.behavior
        self._reached = np.zeros(num_envs, np.bool_)
        self._stop = rng.uniform(*self._plan.stall_progress_range, num_envs)
        self._fresh = True
        self._drift = np.zeros((num_envs, 4))
        self._pace = (
            np.full(num_envs, 1.0)
            if behavior != "slow"
            else rng.uniform(*self._plan.slow_speed_range, num_envs)
        )
        self._opening = np.full((num_envs, 1), -1.0)
        self._offset = np.zeros((num_envs, 3))
        self._noise = (
            rng.uniform(*NOISE_SHARE_RANGE, (num_envs, 1))
            if behavior == "noisy"
            else np.zeros((num_envs, 1))
        )
        if behavior == "hover":
            self._offset[:, 2] = rng.uniform(*HOVER_HEIGHT_RANGE, num_envs)

    def act(
        self,
        qpos: FloatArray,
        progress: FloatArray,
        observations: NDArray[np.float32] | None = None,
    ) -> FloatArray:
        """See `Policy.act`; a script reads states and not observations."""
        del observations
        if len(self._reached) != len(qpos):
            self.start(len(qpos))
        if self._fresh and self.behavior == "near_miss" and self._plan.near_miss_offset is not None:
            self._offset = self._plan.near_miss_offset(qpos)
        self._fresh = False
        self._drift = step_ar1_noise(self._drift, self._rng)
        if self.behavior == "random":
            return np.clip(self._drift, -1, 1)
        target = self._target(qpos, progress)
        moves = self._pace[:, None] * np.clip(
            (target[:, :3] - ee_position(qpos)) / MAX_EE_STEP * 1.2, -1, 1
        )
        if self.behavior == "stall":
            self._reached |= progress >= self._stop
            moves[self._reached] = 0.0
        if self.behavior == "noisy":
            moves = np.clip(moves + self._noise * (self._drift[:, :3] - moves), -1, 1)
        return np.concatenate([moves, self._fingers(target)], axis=1)

    def _fingers(self, target: FloatArray) -> FloatArray:
        """The gripper's opening, shape (N, 1): closed unless the skill says; kept by who stops or
        gives up."""
        if target.shape[1] == 4:
            kept = self._reached & (self.behavior != "undo")
            self._opening = np.where(kept[:, None], self._opening, target[:, 3:])
        return self._opening

    def _target(self, qpos: FloatArray, progress: FloatArray) -> FloatArray:
        plan = self._plan
        if self.behavior == "wrong_object":
            return plan.wrong_object(qpos, self._offset)
        if self.behavior == "hover":
            return plan.hover_position(qpos) + self._offset + self._drift[:, :3] * 0.01
        target = plan.expert(qpos, self._offset)
        if self.behavior == "near_miss" and plan.near_miss_stop is not None:
            self._reached |= plan.near_miss_stop(qpos)
            target[self._reached, :3] = ee_position(qpos)[self._reached] + [0, 0, 0.02]
        if self.behavior == "undo" and plan.undo is not None:
            self._reached |= progress >= 1.0
            target = np.where(self._reached[:, None], plan.undo(qpos, self._offset), target)
        return target
