"""Episodes of scripted behaviours with their exact truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roborew_envs.environment import TaskSimulations
from roborew_envs.experts import Behaviour, Script
from roborew_envs.task import BoolArray, FloatArray, Task


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
