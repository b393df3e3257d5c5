"""Hold a learned reward against the simulator's truth, beside sanity baselines that know nothing."""

from __future__ import annotations

import argparse
from pathlib import Path

import roborew
from roborew.evaluation import sanity_table, score_with_sanity_baselines, spearman

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--env", default="roborew/Push-v0")
parser.add_argument("--reward", default="mini")
parser.add_argument("--episodes", type=int, default=3, help="of each behavior")
parser.add_argument("--out", type=Path, default=Path("can-i-trust-it"))
arguments = parser.parse_args()

config = roborew.CollectConfig(
    behaviors=("expert", "undo", "random"), episodes=arguments.episodes, width=128, height=96
)
reward = roborew.load_reward(arguments.reward)
collected = roborew.collect(arguments.env, config, arguments.out)
episodes = list(roborew.read_demonstrations(collected))

clips, truths = [], []
for episode in episodes:
    clips.append(roborew.Clip(frames=episode.video(), instruction=episode.instruction))
    truths.append(episode.progress)
    scores = reward.score(clips[-1:])[0]
    print(f"{episode.name}: Spearman with truth {spearman(scores.value, truths[-1]).value}")

wrong = [episode.wrong_instructions[0] for episode in episodes]
scored = score_with_sanity_baselines(reward, clips, wrong)
for row in sanity_table(scored, truths):
    print(row)
