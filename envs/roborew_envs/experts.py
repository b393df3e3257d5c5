"""Scripted behaviours on the desk, good and bad. They read the simulator's state; an agent and a reward never do.

Every skill is a reactive map from states to a place for the hand, so that it goes on from any state: this is what
takes over from an agent half-way, and what recovers. A behaviour bends a skill: slower, stopped, undone, aimed wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from roborew_envs.desk import (
    BLUE,
    BUTTON_TOP,
    CUBE_HEIGHT,
    DRAWER,
    OPENED,
    PAD,
    REACH_PER_STEP,
    RED,
    button_top,
    hand,
    handle,
)
from roborew_envs.environment import TaskSimulations
from roborew_envs.task import BoolArray, FloatArray, Task

Behaviour = Literal["expert", "slow", "stall", "undo", "near_miss", "wrong_object", "hover", "random"]
Skill = Callable[[FloatArray, FloatArray], FloatArray]
"""(qpos (N, nq), offset (N, 3) [m]) -> where the hand should go, (N, 3) [m]."""

CLEAR = 0.125
"""Height at which the hand travels [m]."""
BEHIND = 0.052
"""Distance of the finger tips from a cube's centre from which they push it [m]."""
GAP = 0.0355
"""From the handle's middle to the middle of the gap behind it, along +y [m]."""


def _above_then(tips: FloatArray, over: FloatArray, down: FloatArray, tolerance: float = 0.012) -> FloatArray:
    """Travel at clear height until over the place, then go down to it."""
    aligned = np.linalg.norm(tips[:, :2] - over[:, :2], axis=1) < tolerance
    low = tips[:, 2] < CLEAR - 0.03
    target = over.copy()
    target[:, 2] = CLEAR
    lift = tips.copy()
    lift[:, 2] = CLEAR + 0.02
    return np.where(aligned[:, None], down, np.where(low[:, None], lift, target))


def press_button(qpos: FloatArray, offset: FloatArray) -> FloatArray:
    """Come down on the button (or ``offset`` from it)."""
    top = button_top(qpos) + offset
    down = top.copy()
    down[:, 2] = BUTTON_TOP - 0.04 + offset[:, 2]
    return _above_then(hand(qpos), top, down, 0.02)


def _push_cube(qpos: FloatArray, cube: slice, goal: FloatArray) -> FloatArray:
    tips, place = hand(qpos), qpos[:, cube]
    way = goal - place[:, :2]
    left = np.linalg.norm(way, axis=1, keepdims=True)
    way = way / np.maximum(left, 1e-6)
    start = np.column_stack([place[:, :2] - BEHIND * way, np.full(len(qpos), CUBE_HEIGHT)])
    relative = tips[:, :2] - place[:, :2]
    along = (relative * way).sum(axis=1)
    aside = np.linalg.norm(relative - along[:, None] * way, axis=1)
    pushing = (tips[:, 2] < 0.06) & (along < -0.025) & (aside < 0.02)
    ahead = place[:, :2] + way * (np.minimum(0.6 * left, 0.020) - 0.036)
    correction = (along[:, None] * way - relative) * 0.8
    push = np.column_stack([ahead + correction, np.full(len(qpos), CUBE_HEIGHT)])
    push = tips + np.clip(push - tips, -0.018, 0.018)  # a faster push lets the cube slide on by itself
    target = np.where(pushing[:, None], push, _above_then(tips, start, start))
    done = np.column_stack([tips[:, :2], np.full(len(qpos), CLEAR)])
    return np.where(left < 0.02, done, target)


def push_red(qpos: FloatArray, offset: FloatArray) -> FloatArray:
    """Push the red cube onto the pad (or to ``offset`` from it)."""
    return _push_cube(qpos, RED, qpos[:, PAD] + offset[:, :2])


def push_blue(qpos: FloatArray, offset: FloatArray) -> FloatArray:
    """Push the blue cube to ``offset`` from the pad: the wrong object."""
    return _push_cube(qpos, BLUE, qpos[:, PAD] + offset[:, :2])


def pull_drawer(qpos: FloatArray, offset: FloatArray) -> FloatArray:
    """Hook the handle from behind and pull the drawer out."""
    bar = handle(qpos) + offset
    gap = bar + [0.0, GAP, -0.008]
    tips = hand(qpos)
    hooked = (np.abs(tips - gap)[:, :2] < [0.045, 0.026]).all(axis=1) & (tips[:, 2] < bar[:, 2] + 0.022)
    pull = gap - [0.0, 0.05, 0.0]
    return np.where(hooked[:, None], pull, _above_then(tips, gap, gap, 0.011))


def shut_drawer(qpos: FloatArray, offset: FloatArray) -> FloatArray:
    """Push the drawer in by its handle: what undoes `pull_drawer`."""
    bar = handle(qpos) + offset
    front = bar - [0.0, 0.035, 0.0]
    tips = hand(qpos)
    ready = (tips[:, 1] < bar[:, 1] - 0.012) & (np.abs(tips[:, 2] - bar[:, 2]) < 0.03)
    return np.where(ready[:, None], bar + [0.0, 0.06, 0.0], _above_then(tips, front, front, 0.02))


def push_red_away(qpos: FloatArray, offset: FloatArray) -> FloatArray:
    """Push the red cube off the pad, towards the middle of the desk: what undoes `push_red`."""
    middle = np.array([0.46, 0.0])
    side = np.where(qpos[:, PAD] >= middle, 1.0, -1.0)
    return _push_cube(qpos, RED, middle + offset[:, :2] - 0.15 * side)


@dataclass(frozen=True, slots=True)
class _Plan:
    skill: Skill
    undo: Skill | None
    wrong: Skill
    stop: tuple[float, float]
    """Range of true progress at which `stall` stops."""


_PLANS = {
    "roborew/Press-v0": _Plan(press_button, None, push_red, (0.35, 0.5)),
    "roborew/Push-v0": _Plan(push_red, push_red_away, push_blue, (0.45, 0.7)),
    "roborew/DrawerOpen-v0": _Plan(pull_drawer, shut_drawer, press_button, (0.4, 0.6)),
}


def behaviours(task: Task) -> tuple[Behaviour, ...]:
    """The behaviours that exist for a task; none outside the desk. A pressed button stays down: no undo for it."""
    plan = _PLANS.get(task.id)
    names: tuple[Behaviour, ...] = get_args(Behaviour)
    if plan is None:
        return ()
    return tuple(name for name in names if name != "undo" or plan.undo is not None)


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
        self.task, self.behaviour, self._rng, self._plan = task, behaviour, rng, _PLANS[task.id]
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
        if self._fresh and self.behaviour == "near_miss":
            self._aim_short(qpos)
        self._fresh = False
        self._drift = 0.8 * self._drift + 0.6 * self._rng.normal(size=self._drift.shape)
        if self.behaviour == "random":
            return np.clip(self._drift, -1, 1)
        target = self._target(qpos, progress)
        moves = np.clip((target - hand(qpos)) / REACH_PER_STEP * 1.2, -1, 1) * self._pace[:, None]
        actions = np.concatenate([moves, np.full((len(qpos), 1), -1.0)], axis=1)
        if self.behaviour == "stall":
            self._reached |= progress >= self._stop
            actions[self._reached, :3] = 0.0
        return actions

    def _target(self, qpos: FloatArray, progress: FloatArray) -> FloatArray:
        plan = self._plan
        if self.behaviour == "wrong_object":
            return plan.wrong(qpos, self._offset)
        if self.behaviour == "hover":
            over = {"roborew/Press-v0": button_top, "roborew/DrawerOpen-v0": handle}
            place = over[self.task.id](qpos) if self.task.id in over else qpos[:, RED]
            return place + self._offset + self._drift[:, :3] * 0.01
        target = plan.skill(qpos, self._offset)
        if self.behaviour == "near_miss" and plan.skill is pull_drawer:
            self._reached |= qpos[:, DRAWER] > 0.4 * OPENED
            return np.where(self._reached[:, None], hand(qpos) + [0, 0, 0.05], target)
        if self.behaviour == "undo" and plan.undo is not None:
            self._reached |= progress >= 1.0
            return np.where(self._reached[:, None], plan.undo(qpos, self._offset), target)
        return target

    def _aim_short(self, qpos: FloatArray) -> None:
        """Offsets that just miss: short of the pad on the cube's side, or not far enough down."""
        if self._plan.skill is push_red:
            way = qpos[:, RED][:, :2] - qpos[:, PAD]
            self._offset[:, :2] = 0.068 * way / np.linalg.norm(way, axis=1, keepdims=True)
        elif self._plan.skill is press_button:
            self._offset[:, 2] = 0.047


@dataclass(frozen=True, slots=True)
class Episode:
    """What one simulation did; frames can be drawn from the states at any time.

    Attributes:
        qpos: shape (T + 1, nq), the start and the state after each action.
        actions: shape (T, action_size).
        progress: shape (T + 1,), truth in [0, 1].
        success: shape (T + 1,), truth.
        stage: shape (T + 1,), index into the task's stages.
    """

    task_id: str
    behaviour: str
    seed: int
    qpos: FloatArray
    actions: FloatArray
    progress: FloatArray
    success: BoolArray
    stage: NDArray[np.int64]


def demonstrate(task: Task, behaviour: Behaviour, seeds: Sequence[int], steps: int | None = None) -> list[Episode]:
    """Run a behaviour once for every seed, all together.

    Args:
        task: one of the desk.
        behaviour: see `behaviours`.
        seeds: an episode's start depends on its seed alone.
        steps: default: the task's horizon.
    """
    core = TaskSimulations(task, len(seeds), None, 96, 72, "fast")
    script = Script(task, behaviour, np.random.default_rng(list(seeds)))
    core.reset(np.ones(len(seeds), np.bool_), list(seeds))
    qpos, truths = [core.simulation.qpos.copy()], [core.truth()]
    actions: list[FloatArray] = []
    for _ in range(steps or task.horizon):
        actions.append(script.actions(qpos[-1], truths[-1]["progress"].astype(np.float64)))
        truths.append(core.step(actions[-1])[2])
        qpos.append(core.simulation.qpos.copy())
    core.close()

    def column(name: str, i: int) -> NDArray[Any]:
        return np.array([truth[name][i] for truth in truths])

    return [
        Episode(
            task.id,
            behaviour,
            seed,
            np.stack([state[i] for state in qpos]),
            np.stack([action[i] for action in actions]),
            column("progress", i).astype(np.float64),
            column("success", i),
            column("stage", i),
        )
        for i, seed in enumerate(seeds)
    ]
