"""Random simulator states with exact labels: what any learned progress model wishes it had.

A scene is a model that several tasks share; every state of a scene is labelled for each of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roborew_envs import Task, make_task
from roborew_envs.tasks.arm_task import (
    ARM_JOINTS,
    FINGER_JOINTS,
    FINGER_TRAVEL,
    WORKSPACE_BOUNDS,
    inverse_kinematics,
)
from roborew_envs.tasks.desk.scene import (
    BLUE_CUBE,
    BUTTON,
    BUTTON_TRAVEL,
    CUBE_HEIGHT,
    DRAWER,
    DRAWER_TRAVEL,
    PAD,
    RED_CUBE,
    button_position,
    drawer_handle_position,
)
from roborew_envs.tasks.humanoid.humanoid import Humanoid
from roborew_envs.tasks.locomotion.cheetah import FINISH

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Scene:
    """Tasks that share one world.

    Attributes:
        tasks: key of `language.TASKS` -> the task.
        draw: (rng, n) -> n random states, shape (n, nq).
        weight: share of the training frames.
    """

    name: str
    tasks: dict[str, Task]
    draw: Callable[[np.random.Generator, int], Array]
    weight: float

    @property
    def any_task(self) -> Task:
        return next(iter(self.tasks.values()))

    def labels(
        self, qpos: Array, keys: tuple[str, ...]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Progress and success, each (n, len(keys)); 0 for tasks of another scene."""
        progress = np.zeros((len(qpos), len(keys)), np.float32)
        success = np.zeros_like(progress)
        still = np.zeros((len(qpos), self.any_task.model.nv))
        for column, key in enumerate(keys):
            if key in self.tasks:
                progress[:, column] = self.tasks[key].progress(qpos, still)
                success[:, column] = self.tasks[key].success(qpos, still)
        return progress, success


def desk_states(rng: np.random.Generator, n: int) -> Array:
    """States of the desk: the hand near something of interest or anywhere, everything in any
    condition."""
    task = make_task("roborew/Push-v0")
    qpos = np.stack([task.sample_initial_state(rng)[0] for _ in range(n)])
    chance = rng.random((6, n))
    qpos[:, BUTTON] = np.where(chance[0] < 0.55, 0, rng.uniform(0, BUTTON_TRAVEL, n))
    qpos[:, DRAWER] = np.where(chance[1] < 0.45, 0, rng.uniform(0, DRAWER_TRAVEL, n))
    _scatter(qpos, RED_CUBE, rng, chance[2])
    _scatter(qpos, BLUE_CUBE, rng, np.maximum(chance[3], 0.3))
    qpos[:, FINGER_JOINTS] = np.where(chance[4] < 0.4, 0, rng.uniform(0, FINGER_TRAVEL, n))[:, None]
    qpos[:, ARM_JOINTS] = (
        inverse_kinematics(_hands(qpos, rng, chance[5]))
        + 0.03 * rng.normal(size=(n, 5)) * (chance[5] < 0.9)[:, None]
    )
    return qpos


def _scatter(qpos: Array, cube: slice, rng: np.random.Generator, chance: Array) -> None:
    """A cube near the pad (35 %), anywhere within reach (35 %), or where a start puts it."""
    n = len(qpos)
    angle, radius = rng.uniform(-np.pi, np.pi, n), 0.11 * rng.random(n)
    near = qpos[:, PAD] + np.column_stack([np.cos(angle), np.sin(angle)]) * radius[:, None]
    anywhere = rng.uniform([0.26, -0.30], [0.70, 0.24], (n, 2))
    place = np.where((chance < 0.35)[:, None], near, anywhere)
    moved = chance < 0.7
    turn = rng.uniform(-np.pi, np.pi, n)
    zero = np.zeros(n)
    full = np.column_stack(
        [place, zero + CUBE_HEIGHT, np.cos(turn / 2), zero, zero, np.sin(turn / 2)]
    )
    qpos[moved, cube.start : cube.start + 7] = full[moved]


def _hands(qpos: Array, rng: np.random.Generator, chance: Array) -> Array:
    """Finger tips at the button, behind or about the red cube, at the handle, or anywhere; 15 to 25
    % each."""
    n = len(qpos)
    hands = rng.uniform(WORKSPACE_BOUNDS[0], WORKSPACE_BOUNDS[1], (n, 3))
    around = rng.normal(size=(n, 3)) * rng.choice([0.01, 0.03, 0.08], (n, 1))
    for low, target in (
        (0.2, button_position(qpos)),
        (0.4, qpos[:, RED_CUBE] + [-0.035, 0, 0]),
        (0.6, drawer_handle_position(qpos) + [0, 0.02, 0]),
    ):
        chosen = (chance >= low - 0.2) & (chance < low)
        hands[chosen] = target[chosen] + around[chosen]
    return np.clip(hands, WORKSPACE_BOUNDS[0], WORKSPACE_BOUNDS[1])


def humanoid_states(rng: np.random.Generator, n: int) -> Array:
    """Humanoids part of the way into a pose, upright or fallen."""
    body = make_task("roborew/HumanoidStand-v0")
    assert isinstance(body, Humanoid)
    poses = rng.choice(["stand", "crouch", "kneel", "raise_arms"], n)
    amounts = np.where(rng.random(n) < 0.35, 1.0, rng.random(n))
    noises = rng.choice([0.03, 0.1, 0.4], n)
    return np.stack(
        [body.sample_pose(rng, p, a, s) for p, a, s in zip(poses, amounts, noises, strict=True)]
    )


def cheetah_states(rng: np.random.Generator, n: int) -> Array:
    """Runners anywhere on the track, in any posture."""
    task = make_task("roborew/Cheetah-v0")
    states = np.stack([task.sample_initial_state(rng)[0] for _ in range(n)])
    states[:, 0] = rng.uniform(-0.1 * FINISH, 1.15 * FINISH, n)
    states[:, 1] += rng.uniform(-0.2, 0.1, n)
    states[:, 2] += rng.normal(size=n) * rng.choice([0.1, 0.5], n)
    states[:, 3:] += rng.normal(size=(n, states.shape[1] - 3)) * 0.3
    return states


def scenes() -> tuple[Scene, ...]:
    """Every scene that mini learns."""
    desk = {"press": "Press", "push": "Push", "drawer": "DrawerOpen"}
    poses = {"stand": "HumanoidStand", "kneel": "HumanoidKneel", "raise_arms": "HumanoidRaiseArms"}
    return (
        Scene(
            "desk",
            {key: make_task(f"roborew/{name}-v0") for key, name in desk.items()},
            desk_states,
            0.72,
        ),
        Scene(
            "humanoid",
            {key: make_task(f"roborew/{name}-v0") for key, name in poses.items()},
            humanoid_states,
            0.18,
        ),
        Scene("cheetah", {"cheetah": make_task("roborew/Cheetah-v0")}, cheetah_states, 0.10),
    )
