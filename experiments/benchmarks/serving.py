"""Frames scored a second through ``roborew serve``, from another process of this machine, against the
same model in this one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial

import numpy as np

from experiments.benchmarks.measure import Row, compare, rate
from roborew.rewards.remote.client import connect
from roborew.types import Clip, RewardModel
from roborew.workflows.rewards import load_reward

GOAL = "open the drawer"
SIZE = 128
"""Sides of a picture that is drawn for `mini` [pixels]."""
REWARDS = {
    "mini": ("mini", {}),
    "clip": ("clip", {"model": "ViT-B-32", "pretrained": "random"}),
}
STEPS = {"mini": 64, "clip": 16}
"""Environments of which each has one new frame in a request."""


@contextmanager
def server(reward: str, options: dict[str, str]) -> Generator[str]:
    """Give the address of a server in a process of its own."""
    words = [f"--reward.{key}={value}" for key, value in options.items()]
    command = [sys.executable, "-m", "roborew", "serve", "--reward", reward, *words, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        try:
            yield line.split(" at ")[1].partition(",")[0]
        finally:
            process.terminate()


def scored(model: RewardModel, count: int) -> Callable[[], int]:
    """Score a frame of each of so many clips; none was seen before, as some models remember."""
    rng = np.random.default_rng(count)

    def work() -> int:
        frames = rng.integers(0, 256, (count, SIZE, SIZE, 3), np.uint8)
        model.score([Clip(frames=frame[None], instruction=GOAL) for frame in frames])
        return count

    return work


def run(repeats: int) -> list[Row]:
    """Measure both rewards."""
    rows: list[Row] = []
    for name, (reward, options) in REWARDS.items():
        here = scored(load_reward(reward, **options), STEPS[name])
        with server(reward, options) as url:
            there = scored(connect(url), STEPS[name])
            settings = f"{name}, {STEPS[name]} frames of {SIZE} x {SIZE} a request, loopback"
            rows.append(
                compare(
                    "serving",
                    partial(rate, there),
                    partial(rate, here),
                    "frames/s",
                    settings,
                    repeats,
                )
            )
    return rows
