"""How many frames a second a critic scores online: ``python -m experiments.critics.speed CRITIC_FOLDER``.

64 environments of the critic's task are drawn at 84 x 84; each step's frames are scored together, with what the critic
remembers of each episode, as the wrapper does it while an agent learns. Drawing is not counted.
"""

from __future__ import annotations

import argparse
import csv
import os
import time
from pathlib import Path

import numpy as np
import torch

from roborew.critics.critic import Critic
from roborew.types import Clip, Memory
from roborew_envs import TaskVectorEnv, make_task

NUM_ENVS, SIZE, STEPS = 64, 84, 40
RESULTS = Path(__file__).with_name("speed.csv")


def frames_per_second(critic: Critic, task: str, threads: int) -> float:
    """The median over steps."""
    torch.set_num_threads(threads)
    made = make_task(task)
    env = TaskVectorEnv(made, NUM_ENVS, render_mode="rgb_array", width=SIZE, height=SIZE, quality="fast")
    env.reset(seed=0)
    env.action_space.seed(0)
    memories: list[Memory] = [{} for _ in range(NUM_ENVS)]
    seconds: list[float] = []
    for _ in range(STEPS):
        env.step(env.action_space.sample())
        clips = [Clip(frames=frame[None], instruction=made.instruction) for frame in env.draw(None)]
        begun = time.perf_counter()
        _, memories = critic.extend(clips, memories)
        seconds.append(time.perf_counter() - begun)
    env.close()
    return NUM_ENVS / float(np.median(seconds))


def main() -> None:
    """Measure with one thread of torch and with two, and write speed.csv."""
    parser = argparse.ArgumentParser(prog="python -m experiments.critics.speed", description=__doc__)
    parser.add_argument("critic", type=Path)
    parser.add_argument("--env", default="roborew/DrawerOpen-v0")
    options = parser.parse_args()
    critic = Critic.from_pretrained(options.critic)
    with RESULTS.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["critic", "env", "threads", "frames_per_second", "load"])
        for threads in (1, 2):
            speed = frames_per_second(critic, options.env, threads)
            rows.writerow([critic.name, options.env, threads, f"{speed:.0f}", f"{os.getloadavg()[0]:.1f}"])
            print(f"{critic.name}, {threads} threads: {speed:.0f} frames a second")


if __name__ == "__main__":
    main()
