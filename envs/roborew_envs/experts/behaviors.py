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
from roborew_envs.experts.policies import (
    available_policies,
    first_version,
    load_policy_network,
)
from roborew_envs.tasks.arm_task import MAX_EE_STEP, ee_position

Behavior = Literal[
    "expert",
    "slow",
    "stall",
    "undo",
    "near_miss",
    "wrong_object",
    "wrong_goal",
    "hover",
    "noisy",
    "random",
]
SCRIPTED_BEHAVIORS: tuple[Behavior, ...] = tuple(
    behavior for behavior in get_args(Behavior) if behavior != "wrong_goal"
)
"""Of our own tasks, whose wrong goals are other things (`wrong_object`)."""
PRETRAINED_BEHAVIORS: tuple[Behavior, ...] = ("expert", "stall", "noisy", "random")
HOVER_HEIGHT_RANGE = (0.07, 0.11)
"""Range of heights above a thing at which a hand hovers [m]."""
NOISE_SHARE_RANGE = (0.3, 0.9)
"""Range of the share of chance in the moves of a noisy expert, one share an episode: pictures
beside the expert's way, as an agent that learns will see them (Laskey et al. 2017,
arXiv:1703.09327)."""
STALL_SHARE_RANGE = (0.4, 0.6)
"""Range of the share of the way from the start to success at which a policy stalls."""


class NoFailureError(Error):
    """From this start there is no failure of the kind that was asked for."""


class Policy(Protocol):
    """What plays a behavior."""

    def act(
        self, qpos: FloatArray, progress: FloatArray, observations: NDArray[np.float32]
    ) -> FloatArray:
        """Actions in [-1, 1], shape (N, A), for states (N, nq), their true progress (N,) and
        observations (N, D)."""
        ...


def available_behaviors(task: Task) -> tuple[Behavior, ...]:
    """Behaviors that exist for a task: without skills and network chance alone, no undo where
    nothing can be undone."""
    skills = task.scripted_policy
    if skills is None:
        has_network = first_version(task.id) in available_policies()
        return PRETRAINED_BEHAVIORS if has_network else ("random",)
    if skills.undo is None:
        return tuple(behavior for behavior in SCRIPTED_BEHAVIORS if behavior != "undo")
    return SCRIPTED_BEHAVIORS


def make_policy(task: Task, behavior: Behavior, rng: np.random.Generator) -> Policy:
    """Policy that shows a behavior of a task, for any number of simulations from their start on.

    Raises:
        ValueError: the task has no such behavior.
    """
    if task.scripted_policy is None:
        return PretrainedPolicy(task, behavior, rng)
    return ScriptedPolicy(task, behavior, rng)


class PretrainedPolicy:
    """A trained policy all the way, or one that stalls: it does nothing more from somewhere near
    half of its way on; or one with chance in its actions; or random actions.

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
        """Choose a behavior; errors as `make_policy`.

        Args:
            task: what is done.
            behavior: one of `available_behaviors`.
            rng: source of where it stalls, and of random actions.
            max_steps: steps after which each stalls at the latest, shape (N,).
        """
        _check_available(task, behavior)
        self._action_size = task.action_size
        self._behavior = behavior
        self._rng = rng
        self._max_steps = max_steps
        self._network = None if behavior == "random" else load_policy_network(task.id)
        self.stop_steps = np.zeros(0, np.int64)

    def act(
        self, qpos: FloatArray, progress: FloatArray, observations: NDArray[np.float32]
    ) -> FloatArray:
        """See `Policy.act`."""
        if len(self.stop_steps) != len(qpos):
            self._start(progress)
        if self._network is None:
            self._noise = step_ar1_noise(self._noise, self._rng)
            return np.clip(self._noise, -1, 1)
        actions = self._network(observations).astype(np.float64)
        if self._behavior == "noisy":
            self._noise = step_ar1_noise(self._noise, self._rng)
            # As it is carried out, so that its share is the same however far a network asks to go.
            actions = mix_noise(np.clip(actions, -1, 1), self._noise, self._noise_share)
        if self._behavior == "stall":
            self._has_stalled |= progress >= self._stall_progress
            if self._max_steps is not None:
                self._has_stalled |= self.stop_steps >= self._max_steps
            actions[self._has_stalled] = 0.0
        self.stop_steps += ~self._has_stalled
        return actions

    def _start(self, progress: FloatArray) -> None:
        num_envs = len(progress)
        self.stop_steps = np.zeros(num_envs, np.int64)
        self._has_stalled = np.zeros(num_envs, np.bool_)
        share = self._rng.uniform(*STALL_SHARE_RANGE, num_envs)
        # Of the way that is left: a start may have progress already.
        self._stall_progress = progress + share * (1 - progress)
        self._noise = np.zeros((num_envs, self._action_size))
        if self._behavior == "noisy":
            self._noise_share = self._rng.uniform(*NOISE_SHARE_RANGE, (num_envs, 1))


class StallEpisode(Protocol):
    """An episode of any suite; its success is None where the suite tells none."""

    @property
    def seed(self) -> int: ...

    @property
    def success(self) -> BoolArray | None: ...


S = TypeVar("S", bound=StallEpisode)


def _check_available(task: Task, behavior: Behavior) -> None:
    available = available_behaviors(task)
    if behavior not in available:
        raise ValueError(f"{task.id}: no behavior {behavior!r}. Available: {', '.join(available)}.")


def shorten_stalls(
    name: str,
    stalls: list[S],
    stop_steps: IntArray,
    replay: Callable[[list[int], IntArray], list[S]],
) -> list[S]:
    """Replay the stalls that reach success, each stopped after half as many steps, until none does.

    Args:
        name: of the environment.
        stalls: the first try.
        stop_steps: steps after which each stopped, shape (N,).
        replay: indices of stalls, and after how many steps they shall stop -> these.

    Raises:
        NoFailureError: a start that is a success already, or becomes one by itself.
    """
    stalls = list(stalls)
    stop_steps = stop_steps.copy()
    # Halving ends: after log2 of the horizon steps a stall stops at its start, or is refused.
    while succeeding := [i for i, stall in enumerate(stalls) if _succeeds(stall)]:
        for i in succeeding:
            if stop_steps[i] == 0:
                raise NoFailureError(
                    f"{name}: seed {stalls[i].seed} succeeds without being touched: no stall."
                )
        stop_steps[succeeding] //= 2
        replayed = replay(succeeding, stop_steps[succeeding])
        for i, stall in zip(succeeding, replayed, strict=True):
            stalls[i] = stall
    return stalls


def _succeeds(stall: StallEpisode) -> bool:
    success = stall.success
    return success is not None and bool(success.any())


def step_ar1_noise(noise: FloatArray, rng: np.random.Generator) -> FloatArray:
    """The next value of an autoregressive process of order 1 with unit variance, shape as given.

    Noise that changes its sign at every step would cancel itself out; this one leads astray.
    """
    innovation = rng.normal(size=noise.shape)
    return 0.8 * noise + 0.6 * innovation


def mix_noise(actions: FloatArray, noise: FloatArray, share: FloatArray) -> FloatArray:
    """Actions (N, A) in [-1, 1] with a share of noise in them, shape (N, 1)."""
    return np.clip(actions + share * (noise - actions), -1, 1)


class ScriptedPolicy:
    """One behavior for N simulations of one task: ``actions(simulations)`` at each step, after
    ``start``."""

    def __init__(self, task: Task, behavior: Behavior, rng: np.random.Generator) -> None:
        """Choose a behavior; errors as `make_policy`."""
        _check_available(task, behavior)
        assert task.scripted_policy is not None  # or it would have no behaviors
        self.task = task
        self.behavior = behavior
        self._rng = rng
        self._skills = task.scripted_policy
        self.start(0)

    def start(self, num_envs: int) -> None:
        """Begin with ``num_envs`` simulations and forget those before."""
        rng = self._rng
        skills = self._skills
        self._is_first_step = True
        self._has_stopped = np.zeros(num_envs, np.bool_)
        # The draws stay in this order: a seed gives the same episode as ever.
        self._stall_progress = rng.uniform(*skills.stall_progress_range, num_envs)
        self._noise = np.zeros((num_envs, 4))
        self._speed = np.full(num_envs, 1.0)
        if self.behavior == "slow":
            self._speed = rng.uniform(*skills.slow_speed_range, num_envs)
        self._opening = np.full((num_envs, 1), -1.0)
        self._offset = np.zeros((num_envs, 3))
        self._noise_share = np.zeros((num_envs, 1))
        if self.behavior == "noisy":
            self._noise_share = rng.uniform(*NOISE_SHARE_RANGE, (num_envs, 1))
        if self.behavior == "hover":
            self._offset[:, 2] = rng.uniform(*HOVER_HEIGHT_RANGE, num_envs)

    def act(
        self,
        qpos: FloatArray,
        progress: FloatArray,
        observations: NDArray[np.float32] | None = None,
    ) -> FloatArray:
        """See `Policy.act`; a script reads states and not observations."""
        del observations
        if len(self._has_stopped) != len(qpos):
            self.start(len(qpos))
        if self._is_first_step:
            self._aim(qpos)
        self._noise = step_ar1_noise(self._noise, self._rng)
        if self.behavior == "random":
            return np.clip(self._noise, -1, 1)
        target = self._target(qpos, progress)
        moves = self._moves(target[:, :3] - ee_position(qpos), progress)
        return np.concatenate([moves, self._gripper(target)], axis=1)

    def _aim(self, qpos: FloatArray) -> None:
        """Choose from the start's states where a near miss goes."""
        self._is_first_step = False
        if self.behavior == "near_miss" and self._skills.near_miss_offset is not None:
            self._offset = self._skills.near_miss_offset(qpos)

    def _moves(self, to_target: FloatArray, progress: FloatArray) -> FloatArray:
        """The end effector's moves in [-1, 1], shape (N, 3), for its way to the target [m]."""
        # Asked for a fifth more than the way, since the servos fall short of their targets.
        full_speed = np.clip(to_target / MAX_EE_STEP * 1.2, -1, 1)
        moves = self._speed[:, None] * full_speed
        if self.behavior == "stall":
            self._has_stopped |= progress >= self._stall_progress
            moves[self._has_stopped] = 0.0
        if self.behavior == "noisy":
            moves = mix_noise(moves, self._noise[:, :3], self._noise_share)
        return moves

    def _gripper(self, target: FloatArray) -> FloatArray:
        """Opening of the gripper from -1 to +1, shape (N, 1): closed where the skill says nothing,
        kept by a policy that has stopped."""
        if target.shape[1] == 4:
            keeps = self._has_stopped & (self.behavior != "undo")
            self._opening = np.where(keeps[:, None], self._opening, target[:, 3:])
        return self._opening

    def _target(self, qpos: FloatArray, progress: FloatArray) -> FloatArray:
        """Where the skill of the behavior sends the hand, shape (N, 3) or (N, 4) with gripper."""
        skills = self._skills
        if self.behavior == "wrong_object":
            return skills.wrong_object(qpos, self._offset)
        if self.behavior == "hover":
            sway = self._noise[:, :3] * 0.01
            return skills.hover_position(qpos) + self._offset + sway
        target = skills.expert(qpos, self._offset)
        if self.behavior == "near_miss" and skills.near_miss_stop is not None:
            self._has_stopped |= skills.near_miss_stop(qpos)
            # It lifts the hand, which shows that it has given up.
            lifted = ee_position(qpos) + [0, 0, 0.02]
            target[self._has_stopped, :3] = lifted[self._has_stopped]
        if self.behavior == "undo" and skills.undo is not None:
            self._has_stopped |= progress >= 1.0
            undoing = skills.undo(qpos, self._offset)
            target = np.where(self._has_stopped[:, None], undoing, target)
        return target
