"""Frames a second: `fast` against the ordinary ``env.render()`` of a Gymnasium MuJoCo environment, same scene and size.

Each side draws in a process of its own: software OpenGL reads its thread settings once a process, and each side shall
have its own defaults.
"""

from __future__ import annotations

import multiprocessing as mp
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

import gymnasium
import numpy as np

from experiments.benchmarks.measure import Rate, Row, compare, rate
from roborew_envs.rendering import Renderer, backend

SCENES = ("HalfCheetah-v5", "Humanoid-v5")
SIZES = (224, 84)
STATES = 32
SECONDS = 1.0

Work = Callable[[], int]


def _visited(env: gymnasium.Env) -> np.ndarray:
    """States of one random episode, shape (STATES, nq)."""
    env.reset(seed=0)
    env.action_space.seed(0)
    states = []
    for _ in range(STATES):
        env.step(env.action_space.sample())
        states.append(env.unwrapped.data.qpos.copy())
    return np.stack(states)


def _peer(scene: str, size: int) -> Work:
    """Gymnasium's own drawing, of the last of the same states; no step is counted against it."""
    env = gymnasium.make(scene, render_mode="rgb_array", width=size, height=size, camera_name="track")
    _visited(env)

    def draw() -> int:
        env.render()
        return 1

    return draw


def _ours(scene: str, size: int) -> Work:
    env = gymnasium.make(scene)
    states = _visited(env)
    renderer = Renderer(env.unwrapped.model, size, size, "fast")
    return lambda: len(renderer.draw(states, "track"))


def _serve(make: Callable[[str, int], Work], scene: str, size: int, calls: Connection) -> None:
    work = make(scene, size)
    while calls.recv():
        calls.send(rate(work, SECONDS))


@contextmanager
def _drawing(make: Callable[[str, int], Work], scene: str, size: int) -> Iterator[Rate]:
    """A process that draws for a second whenever asked."""
    context = mp.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(make, scene, size, there), daemon=True)
    process.start()
    there.close()

    def ask() -> float:
        here.send(True)
        return here.recv()

    yield ask
    here.send(False)
    process.join()


def run(repeats: int) -> list[Row]:
    """One row a scene and size."""
    os.environ.setdefault("MUJOCO_GL", backend())  # Gymnasium's own drawing needs to be told
    rows = []
    for scene in SCENES:
        for size in SIZES:
            with _drawing(_ours, scene, size) as ours, _drawing(_peer, scene, size) as peer:
                settings = f"{scene}'s own model and camera, {size}x{size}, MUJOCO_GL={os.environ['MUJOCO_GL']}"
                rows.append(compare("drawing", ours, peer, "frames/s", settings, repeats))
    return rows
