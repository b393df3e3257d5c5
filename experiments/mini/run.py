"""Make `mini` from nothing: random states, scripted behaviors, a first fit, rounds of hardening, a
last fit to sentences alone, the shipped weights.

    python -m experiments.mini.run --work WORK_FOLDER

About 55 minutes on two quiet CPU cores. Every stage leaves its result in the work folder, and a
stage whose result is
there is skipped: an interrupted run goes on. ``python -m experiments.mini.evaluate`` writes the
card's figures.
"""

from __future__ import annotations

import argparse
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from experiments.mini.fit import fit, new_network
from experiments.mini.fit_language import fit_language
from experiments.mini.frames import Frames, behavior_states, draw, random_frames
from experiments.mini.harden import Job, gathered, run_agents
from experiments.mini.language import paraphrases
from experiments.mini.states import Scene, scenes
from roborew.encoders.mini_network import SHIPPED, load_network, save_network

RANDOM_FRAMES = 30_000
EPISODES = 24
"""Scripted episodes of each behavior of each task."""
FIRST_STEPS, ROUND_STEPS, LANGUAGE_STEPS = 3_000, 1_500, 6_000
"""Gradient steps of the first fit, of each round, and of the last fit to sentences alone."""
NAMES = ("pixels", "progress", "success", "weight")


def say(text: str) -> None:
    """Print with the time of day."""
    print(f"[{time.strftime('%H:%M:%S')}] {text}", flush=True)


def stored(path: Path, make: Callable[[], Frames]) -> Frames:
    """The frames in ``path``, made first if they are not there."""
    if not path.is_file():
        frames = make()
        np.savez(path, **{name: getattr(frames, name) for name in NAMES})
    with np.load(path, allow_pickle=False) as arrays:
        return Frames(*(arrays[name] for name in NAMES))


def first_frames(all_scenes: tuple[Scene, ...], seed: int) -> Frames:
    """Random states of every scene, and the states of scripted behaviors."""
    rng = np.random.default_rng(seed)
    parts = [random_frames(scene, rng, int(RANDOM_FRAMES * scene.weight)) for scene in all_scenes]
    desk = all_scenes[0]
    parts.append(draw(desk, behavior_states(desk, rng, EPISODES), rng))
    return Frames.join(parts)


def jobs_of(round_number: int) -> list[Job]:
    """Two agents for each of the harder tasks and one for the easy one, each with another
    sentence."""
    rng = np.random.default_rng(1000 + round_number)
    seeds = iter(range(100 * round_number, 100 * round_number + 99))
    return [
        Job(task, sentence, next(seeds))
        for task, agents in (("push", 2), ("drawer", 2), ("press", 1))
        for sentence in paraphrases(task, "train", rng, agents)
    ]


def harden(work: Path, number: int, frames: Frames, scene: Scene) -> Frames:
    """One round: agents on the candidate before, their states labelled, a fit on all frames.
    Returns all frames."""
    before, after = work / f"round{number - 1}", work / f"round{number}"
    say(f"round {number}: agents")
    folder = work / f"agents{number}"
    files = sorted(folder.glob("*.npz")) or run_agents(before, jobs_of(number), folder)
    more = stored(
        work / f"frames{number}.npz", lambda: gathered(scene, files, np.random.default_rng(number))
    )
    frames = Frames.join([frames, more])
    if not after.is_dir():
        say(f"round {number}: fit on {len(frames)} frames")
        network = load_network(before)
        fit(network, frames, ROUND_STEPS, seed=number, rate=1e-3)
        save_network(network, after)
    return frames


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True, help="folder for intermediate results")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--ship", action="store_true", help="copy the final weights into the package"
    )
    options = parser.parse_args()
    work: Path = options.work
    work.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(options.threads)
    all_scenes = scenes()
    say("frames of random states and scripted behaviors")
    frames = stored(work / "first.npz", lambda: first_frames(all_scenes, 0))
    say(f"{len(frames)} frames; first fit")
    if not (work / "round0").is_dir():
        network = new_network(0)
        fit(network, frames, FIRST_STEPS, seed=0)
        save_network(network, work / "round0")
    for number in range(1, options.rounds + 1):
        frames = harden(work, number, frames, all_scenes[0])
    if not (work / "final").is_dir():
        say("language")
        network = load_network(work / f"round{options.rounds}")
        fit_language(network, frames, LANGUAGE_STEPS, seed=99)
        save_network(network, work / "final")
    if options.ship:
        for name in ("config.json", "model.safetensors"):
            shutil.copy(work / "final" / name, SHIPPED / name)
    say("done")


if __name__ == "__main__":
    main()
