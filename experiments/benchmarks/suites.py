"""Frames, drawn steps and collected steps a second of Meta-World: simplified meshes and floors against
every triangle."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from experiments.benchmarks.contender import contender
from experiments.benchmarks.measure import Row, compare
from roborew.data.reading import read_demonstrations
from roborew.workflows.collect import CollectConfig
from roborew.workflows.collect.collect import collect_demonstrations
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


def collect(quality: Quality) -> Callable[[], int]:
    """Collect experts, each time into a new set."""
    config = CollectConfig(episodes=10, quality=quality)

    def work() -> int:
        with TemporaryDirectory() as folder:
            found = collect_demonstrations(ENV_ID, config, Path(folder) / "set")
            return sum(one.length for one in read_demonstrations(found))

    return work


def run(repeats: int) -> list[Row]:
    """Three rows: frames alone, steps with a frame of each, and steps of experts that are recorded."""
    rows: list[Row] = []
    for steps, unit in ((False, "frames/s"), (True, "drawn steps/s")):
        with contender(draw, "fast", steps) as own, contender(draw, "medium", steps) as other:
            settings = f"fast against medium: {ENV_ID}, {NUM_ENVS} environments, 96x72"
            rows.append(compare("suites", own, other, unit, settings, repeats))
    with contender(collect, "fast") as own, contender(collect, "medium") as other:
        settings = f"roborew collect, fast against medium: {ENV_ID}, 10 experts, 96x72"
        rows.append(compare("suites", own, other, "collected steps/s", settings, repeats))
    return rows
