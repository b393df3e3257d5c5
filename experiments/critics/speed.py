"""How fast critics are: ``python -m experiments.critics.speed [CRITIC_FOLDER] [--fit
DEMONSTRATIONS]``.

Frames that a critic scores a second: 64 environments of its task are drawn at 84 x 84; each step's
frames are scored together, with what the critic remembers of each episode, as the wrapper does it
while an agent learns. Drawing is not
counted. And seconds from typing ``roborew fit DEMONSTRATIONS`` until the critic and its card are
written: a process of its own, start, encoder and judging included.

Each with one thread of torch and with two, on a quiet machine; a row of speed.csv that is measured
again is replaced.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch

from experiments.critics.tables import Rows
from roborew import Clip, Critic, read_demonstrations
from roborew.critics.critic import read_config
from roborew.types import RecurrentState
from roborew_envs import TaskVectorEnv, make_task

NUM_ENVS, SIZE, STEPS = 64, 84, 40
THREADS = (1, 2)
RESULTS = Path(__file__).with_name("speed.csv")
KEY = ("what", "critic", "on", "threads")
FIGURES = ("value", "unit", "load")
COLUMNS = (*KEY, *FIGURES)
Row = dict[str, str]


def frames_per_second(critic: Critic, task: str, threads: int) -> float:
    """The median over steps."""
    torch.set_num_threads(threads)
    made = make_task(task)
    env = TaskVectorEnv(
        made, NUM_ENVS, render_mode="rgb_array", width=SIZE, height=SIZE, quality="fast"
    )
    env.reset(seed=0)
    env.action_space.seed(0)
    memories: list[RecurrentState] = [{} for _ in range(NUM_ENVS)]
    seconds: list[float] = []
    for _ in range(STEPS):
        env.step(env.action_space.sample())
        clips = [
            Clip(frames=frame[None], instruction=made.instruction)
            for frame in env.render_frames(None)
        ]
        begun = time.perf_counter()
        _, memories = critic.score_step(clips, memories)
        seconds.append(time.perf_counter() - begun)
    env.close()
    return NUM_ENVS / float(np.median(seconds))


def fit_row(demonstrations: Path, threads: int, settings: Sequence[str] = ()) -> Row:
    """Type ``roborew fit`` and wait.

    Raises:
        subprocess.CalledProcessError: it failed; what it said is on the screen.
    """
    episodes, load = len(read_demonstrations(demonstrations)), _load()
    typed = {
        name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"
    }  # --threads alone counts
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "critic"
        words = [
            "fit",
            str(demonstrations),
            "--threads",
            str(threads),
            "--out",
            str(out),
            *settings,
        ]
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-m", "roborew", *words], env=typed, check=True)
        seconds = time.perf_counter() - begun
        critic = read_config(out)["critic"]
    return _row(
        "fit",
        critic,
        f"{demonstrations.name}, {episodes} episodes",
        threads,
        f"{seconds:.1f}",
        "s",
        load,
    )


def score_row(critic: Critic, task: str, threads: int) -> Row:
    """Frames that a critic scores a second."""
    load = _load()
    speed = frames_per_second(critic, task, threads)
    return _row("score", critic.name, task, threads, f"{speed:.0f}", "frames/s", load)


def _load() -> str:
    """Of the machine over the last minute, taken before a measurement adds its own."""
    return f"{os.getloadavg()[0]:.1f}"


def _row(what: str, critic: str, on: str, threads: int, value: str, unit: str, load: str) -> Row:
    return dict(zip(COLUMNS, (what, critic, on, str(threads), value, unit, load), strict=True))


def keep(measured: Iterable[Row], path: Path = RESULTS) -> None:
    """Write each row as it comes, in the place of an earlier one of the same measurement."""
    for row in measured:
        Rows(path, KEY, FIGURES).put(row)
        print(", ".join(row.values()))


def main() -> None:
    """Measure what is asked for, and write speed.csv."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.critics.speed", description=__doc__
    )
    parser.add_argument("critic", type=Path, nargs="?", help="folder of a critic that is to score")
    parser.add_argument("--env", default="roborew/DrawerOpen-v0", help="that it was fitted for")
    parser.add_argument("--fit", type=Path, help="demonstrations to fit one to")
    options = parser.parse_args()
    if options.critic is None and options.fit is None:
        parser.error("name a critic, or demonstrations with --fit, or both")
    if options.critic is not None:
        critic = Critic.from_pretrained(options.critic)
        keep(score_row(critic, options.env, threads) for threads in THREADS)
    if options.fit is not None:
        keep(fit_row(options.fit, threads) for threads in THREADS)


if __name__ == "__main__":
    main()
