"""Scripted behaviours, good and bad, for every task that has a plan.

A behaviour bends the plan's skills: slower, stopped, undone, aimed wrong. It reads the simulator's state; an agent and
a reward never do.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from roborew_envs.arm_task import REACH_PER_STEP, hand
from roborew_envs.task import FloatArray, Task

Behaviour = Literal["expert", "slow", "stall", "undo", "near_miss", "wrong_object", "hover", "random"]


def behaviours(task: Task) -> tuple[Behaviour, ...]:
    """The behaviours that exist for a task; none without a plan, and no undo where nothing can be undone."""
    names: tuple[Behaviour, ...] = get_args(Behaviour)
    if task.plan is None:
        return ()
    return tuple(name for name in names if name != "undo" or task.plan.undo is not None)


class Script:
    """One behaviour for N simulations of one task: ``actions(simulations)`` at each step, after ``start``."""

    def __init__(self, task: Task, behaviour: Behaviour, rng: np.random.Generator) -> None:
        """Choose a behaviour.

        Raises:
            ValueError: the task has no such behaviour.
        """
        if behaviour not in behaviours(task):
            known = ", ".join(behaviours(task)) or "none"
            raise ValueError(f"{task.id}: no behaviour {behaviour!r}. Available: {known}.")
        assert task.plan is not None  # or it would have no behaviours
        self.task, self.behaviour, self._rng, self._plan = task, behaviour, rng, task.plan
        self.start(0)

    def start(self, num_envs: int) -> None:
        """Forget all and begin with ``num_envs`` simulations."""
        rng, behaviour = self._rng, self.behaviour
        self._reached = np.zeros(num_envs, np.bool_)
        self._stop = rng.uniform(*self._plan.stop, num_envs)
        self._fresh = True
        self._drift = np.zeros((num_envs, 4))
        self._pace = np.full(num_envs, 1.0) if behaviour != "slow" else rng.uniform(0.3, 0.45, num_envs)
        self._offset = np.zeros((num_envs, 3))
        if behaviour == "hover":
            self._offset[:, 2] = rng.uniform(0.05, 0.09, num_envs)

    def actions(self, qpos: FloatArray, progress: FloatArray) -> FloatArray:
        """Actions in [-1, 1], shape (N, 4), for states (N, nq) with their true progress (N,)."""
        if len(self._reached) != len(qpos):
            self.start(len(qpos))
        if self._fresh and self.behaviour == "near_miss" and self._plan.miss is not None:
            self._offset = self._plan.miss(qpos)
        self._fresh = False
        self._drift = 0.8 * self._drift + 0.6 * self._rng.normal(size=self._drift.shape)
        if self.behaviour == "random":
            return np.clip(self._drift, -1, 1)
        target = self._target(qpos, progress)
        opening = target[:, 3:] if target.shape[1] == 4 else np.full((len(qpos), 1), -1.0)
        moves = np.clip((target[:, :3] - hand(qpos)) / REACH_PER_STEP * 1.2, -1, 1) * self._pace[:, None]
        actions = np.concatenate([moves, opening], axis=1)
        if self.behaviour == "stall":
            self._reached |= progress >= self._stop
            actions[self._reached, :3] = 0.0
        return actions

    def _target(self, qpos: FloatArray, progress: FloatArray) -> FloatArray:
        plan = self._plan
        if self.behaviour == "wrong_object":
            return plan.wrong(qpos, self._offset)
        if self.behaviour == "hover":
            return plan.over(qpos) + self._offset + self._drift[:, :3] * 0.01
        target = plan.expert(qpos, self._offset)
        if self.behaviour == "near_miss" and plan.give_up is not None:
            self._reached |= plan.give_up(qpos)
            target[self._reached, :3] = hand(qpos)[self._reached] + [0, 0, 0.05]
        if self.behaviour == "undo" and plan.undo is not None:
            self._reached |= progress >= 1.0
            target = np.where(self._reached[:, None], plan.undo(qpos, self._offset), target)
        return target
