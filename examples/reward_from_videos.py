"""Collect demonstrations, fit a reward to them, and score episodes that it has not seen."""

from __future__ import annotations

import argparse
from pathlib import Path

import roborew

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--env", default="roborew/DrawerOpen-v0")
parser.add_argument("--episodes", type=int, default=8, help="of each behavior")
parser.add_argument("--steps", type=int, default=400, help="gradient steps")
parser.add_argument("--out", type=Path, default=Path("reward-from-videos"))
arguments = parser.parse_args()

behaviors = ("expert", "noisy", "random")
shown = roborew.CollectConfig(behaviors=behaviors, episodes=arguments.episodes)
unseen = roborew.CollectConfig(behaviors=behaviors, episodes=2, seed=1)
demonstrations = roborew.collect(arguments.env, shown, arguments.out / "demos")
others = roborew.collect(arguments.env, unseen, arguments.out / "unseen")

config = roborew.FitConfig(
    critic=roborew.CriticConfig("robometer", {"steps": arguments.steps}),
    encoder=roborew.EncoderConfig("conv", {"steps": arguments.steps}),
)
critic = roborew.fit(demonstrations, config, arguments.out / "critic", observe=print)

for episode in roborew.read_demonstrations(others):
    frames = episode.video()
    scores = roborew.score(critic, frames, episode.instruction)
    print(f"{episode.name}: {scores.value[0]:.2f} to {scores.value[-1]:.2f}")
