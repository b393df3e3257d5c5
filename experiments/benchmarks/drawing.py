"""Frames a second: `fast` against the ordinary ``env.render()`` of a Gymnasium environment, same
model and size."""

from __future__ import annotations

from collections.abc import Callable

import gymnasium
import mujoco
import numpy as np

from experiments.benchmarks.contender import contender
from experiments.benchmarks.measure import Row, compare
from roborew_envs.rendering.renderer import Renderer, backend

SCENES = ("HalfCheetah-v5", "Humanoid-v5")
SIZES = (224, 84)
STATES = 32
THREADS = 2


def _made(scene: str, **kwargs: object) -> gymnasium.Env:
    mujoco.set_mju_user_warning(
        lambda _: None
    )  # MuJoCo 4 finds fault with the compiler settings of these models
    env = gymnasium.make(scene, **kwargs)
    env.reset(seed=0)
    env.action_space.seed(0)
    return env


def _visited(env: gymnasium.Env) -> np.ndarray:
    """States of one random episode, shape (STATES, nq)."""
    states = []
    for _ in range(STATES):
        env.step(env.action_space.sample())
        states.append(env.unwrapped.data.qpos.copy())
    return np.stack(states)


def peer(scene: str, size: int) -> Callable[[], int]:
    """Gymnasium's own drawing, of the last of the same states; no step is counted against it."""
    env = _made(scene, render_mode="rgb_array", width=size, height=size, camera_name="track")
    _visited(env)

    def draw() -> int:
        env.render()
        return 1

    return draw


def ours(scene: str, size: int) -> Callable[[], int]:
    env = _made(scene)
    states = _visited(env)
    renderer = Renderer(env.unwrapped.model, size, size, "fast", THREADS)
    return lambda: len(renderer.render(states, "track"))


def run(repeats: int) -> list[Row]:
    """One row a scene and size."""
    rows = []
    for scene in SCENES:
        for size in SIZES:
            with contender(ours, scene, size) as own, contender(peer, scene, size) as other:
                settings = (
                    f"fast, {THREADS} threads, against env.render(): {scene}'s own model and camera"
                )
                settings += f", {size}x{size}, MUJOCO_GL={backend()}"
                rows.append(compare("drawing", own, other, "frames/s", settings, repeats))
    return rows
