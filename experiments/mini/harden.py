"""Rounds of hardening: train agents on the candidate, label their states by the simulator, fit
again."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from experiments.mini.frames import Frames, draw
from experiments.mini.states import Scene


@dataclass(frozen=True, slots=True)
class Job:
    """One agent to train: its task, its sentence, its seed."""

    task: str
    goal: str
    seed: int


def run_agents(weights: Path, jobs: Sequence[Job], folder: Path, at_once: int = 2) -> list[Path]:
    """Train the agents, ``at_once`` side by side; returns the files of their states.

    Raises:
        subprocess.CalledProcessError: an agent failed.
    """
    folder.mkdir(parents=True, exist_ok=True)

    def run(job: Job) -> Path:
        out = folder / f"{job.task}-{job.seed}.npz"
        command = [
            sys.executable,
            "-m",
            "experiments.mini.agent",
            "--weights",
            str(weights),
            "--task",
            job.task,
        ]
        command += ["--goal", job.goal, "--seed", str(job.seed), "--out", str(out)]
        subprocess.run(command, check=True)
        return out

    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(run, jobs))


def gathered(scene: Scene, files: Sequence[Path], rng: np.random.Generator) -> Frames:
    """The agents' states, drawn and labelled; false claims weigh 6, other claims 1.5."""
    parts: list[Frames] = []
    for path in files:
        with np.load(path, allow_pickle=False) as stored:
            states, claims = stored["states"], stored["claims"]
        frames = draw(scene, states, rng)
        task = scene.tasks[path.stem.split("-")[0]]
        true = task.success(states, np.zeros((len(states), task.model.nv)))
        frames.weight[claims] = 1.5
        frames.weight[claims & ~true] = 6.0
        print(
            f"{path.stem}: {len(states)} states, {int((claims & ~true).sum())} false claims kept",
            flush=True,
        )
        parts.append(frames)
    return Frames.join(parts)
