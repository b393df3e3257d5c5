"""Train an agent from a sentence and evaluate it against the simulator's truth."""

from __future__ import annotations

import argparse
from pathlib import Path

import roborew

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--env", default="roborew/Press-v0")
parser.add_argument("--instruction", default="press the button so that the lamp lights up")
parser.add_argument("--total-timesteps", type=int, default=100_000)
parser.add_argument("--episodes", type=int, default=100)
parser.add_argument("--out", type=Path, default=Path("runs/press-from-a-sentence"))
arguments = parser.parse_args()

config = roborew.TrainConfig(
    env=roborew.EnvConfig(arguments.env),
    instruction=arguments.instruction,
    total_timesteps=arguments.total_timesteps,
    evaluation=roborew.EvaluationConfig(episodes=arguments.episodes),
)
run = roborew.train(config, arguments.out)

print(f"true success: {run.summary['true_success']:.0%} of {arguments.episodes} episodes")
print(f"report: {run.report}")
