"""Frames a second: `full` against MuJoCo's own renderer on the same scene; a contract test holds
the pixels equal."""

from __future__ import annotations

from collections.abc import Callable

import mujoco
import numpy as np

from experiments.benchmarks.contender import contender
from experiments.benchmarks.measure import Row, compare
from roborew_envs import make_task
from roborew_envs.rendering.renderer import Renderer, backend

TASK = "roborew/Push-v0"
SIZES = (84, 224)
BATCHES = (1, 32)


def _states(count: int) -> tuple[mujoco.MjModel, np.ndarray, str]:
    task, rng = make_task(TASK), np.random.default_rng(0)
    return (
        task.model,
        np.stack([task.sample_initial_state(rng)[0] for _ in range(count)]),
        task.cameras[0],
    )


def peer(size: int, count: int) -> Callable[[], int]:
    model, states, camera = _states(count)
    data, renderer = mujoco.MjData(model), mujoco.Renderer(model, size, size)

    def draw() -> int:
        for qpos in states:
            data.qpos[:] = qpos
            mujoco.mj_kinematics(model, data)
            mujoco.mj_comPos(model, data)
            mujoco.mj_camlight(model, data)
            renderer.update_scene(data, camera)
            renderer.render()
        return count

    return draw


def ours(size: int, count: int) -> Callable[[], int]:
    model, states, camera = _states(count)
    renderer = Renderer(model, size, size, "full", threads=min(count, 2))
    return lambda: len(renderer.render(states, camera))


def run(repeats: int) -> list[Row]:
    """One row a size and number of states a call."""
    rows = []
    for size in SIZES:
        for count in BATCHES:
            with contender(ours, size, count) as own, contender(peer, size, count) as other:
                settings = (
                    f"full against mujoco.Renderer: {TASK}, {count} states a call, {size}x{size}"
                )
                rows.append(
                    compare(
                        "full",
                        own,
                        other,
                        "frames/s",
                        f"{settings}, MUJOCO_GL={backend()}",
                        repeats,
                    )
                )
    return rows
