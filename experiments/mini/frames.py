"""Labelled frames: uint8 pictures with the truth of every task, kept flat in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.mini.appearance import vary
from experiments.mini.language import TASKS
from experiments.mini.states import Array, Scene
from roborew_envs.experts.behaviors import available_behaviors
from roborew_envs.experts.rollout import collect_episodes
from roborew_envs.rendering.renderer import Renderer


@dataclass
class Frames:
    """Frames and their truth.

    Attributes:
        pixels: shape (n, 72, 96, 3), uint8 RGB.
        progress: shape (n, len(TASKS)), float32, 0 for tasks of another scene.
        success: shape (n, len(TASKS)), float32, 0 or 1.
        weight: shape (n,), float32, how often a frame is drawn in training.
    """

    pixels: NDArray[np.uint8]
    progress: NDArray[np.float32]
    success: NDArray[np.float32]
    weight: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.pixels)

    @staticmethod
    def join(parts: Sequence[Frames]) -> Frames:
        """All frames of all parts."""
        names = ("pixels", "progress", "success", "weight")
        return Frames(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def draw(
    scene: Scene, qpos: Array, rng: np.random.Generator, strength: float = 1.0, weight: float = 1.0
) -> Frames:
    """Draw and label states of a scene."""
    task = scene.any_task
    with Renderer(task.model) as renderer:
        looks = vary(task.model, rng, len(qpos), strength).merge(task.visual_overrides(qpos))
        pixels = renderer.render(qpos, task.cameras[0], looks)
    progress, success = scene.labels(qpos, TASKS)
    return Frames(pixels, progress, success, np.full(len(qpos), weight, np.float32))


def random_frames(scene: Scene, rng: np.random.Generator, n: int) -> Frames:
    """Random states of a scene."""
    return draw(scene, scene.draw(rng, n), rng)


def behavior_states(scene: Scene, rng: np.random.Generator, episodes: int, every: int = 4) -> Array:
    """States along scripted behaviors, good and bad, from fresh starts; empty where a scene has no
    script."""
    parts = []
    for task in scene.tasks.values():
        for behavior in available_behaviors(task):
            seeds = [int(seed) for seed in rng.integers(2**20, 2**30, episodes)]
            for episode in collect_episodes(task, behavior, seeds):
                parts.append(episode.qpos[int(rng.integers(every)) :: every])
    return np.concatenate(parts) if parts else np.zeros((0, scene.any_task.model.nq))
