"""Frames and drawn steps a second of Meta-World: simplified meshes against every triangle."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from experiments.benchmarks.contender import contender
from experiments.benchmarks.measure import Row, compare
from roborew_envs.rendering.renderer import Quality
from roborew_envs.suites import SuiteVectorEnv

ENV_ID = "Meta-World/drawer-open-v3"
NUM_ENVS = 64


def draw(quality: Quality, steps: bool) -> Callable[[], int]:
    """Draw every environment, behind a step of each if asked for."""
    env = SuiteVectorEnv(ENV_ID, NUM_ENVS, "rgb_array", quality=quality)
    env.reset(seed=0)
    rng = np.random.default_rng(0)

    def work() -> int:
        if steps:
            _, _, terminated, truncated, _ = env.step(rng.uniform(-1, 1, (NUM_ENVS, 4)))
            if (ended := terminated | truncated).any():
                env.reset(options={"reset_mask": ended})
        return len(env.render_frames())

    return work


def run(repeats: int) -> list[Row]:
    """Two rows: frames alone, and steps with a frame of each."""
    rows: list[Row] = []
    for steps, unit in ((False, "frames/s"), (True, "drawn steps/s")):
        with contender(draw, "fast", steps) as own, contender(draw, "medium", steps) as other:
            settings = f"fast against medium: {ENV_ID}, {NUM_ENVS} environments, 96x72"
            rows.append(compare("suites", own, other, unit, settings, repeats))
    return rows
