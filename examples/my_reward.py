"""A reward model of your own, held to the laws of rewards, and an agent that learns from it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import gymnasium
import numpy as np

import roborew
import roborew_envs


class Redness:
    """How red a frame is."""

    spec = roborew.RewardSpec(
        name="redness",
        low=0,
        high=1,
        context=1,
        causal=True,
        needs_goal_image=False,
        predicts_success=False,
        paper="none",
    )

    def score(self, clips: Sequence[roborew.Clip]) -> list[roborew.Scores]:
        """The mean of the red channel of each frame."""
        reds = [clip.frames[..., 0].mean(axis=(1, 2)) / 255 for clip in clips]
        return [roborew.Scores(red.astype(np.float32), np.ones(len(red), bool)) for red in reds]


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--total-steps", type=int, default=20_000)
arguments = parser.parse_args()

for outcome in roborew.check_reward(Redness()):
    print(f"{outcome.verdict}: {outcome.law}")

env = gymnasium.make_vec(
    next(iter(roborew_envs.TASKS)),
    num_envs=8,
    vectorization_mode="vector_entry_point",
    render_mode="rgb_array",
    autoreset_mode="Disabled",
)
paid = roborew.LearnedReward(env, Redness(), "make the picture red", success_detector=None)
agent = roborew.PPO(paid.single_observation_space, paid.single_action_space, seed=0)
agent.learn(paid, arguments.total_steps, lambda report: print(f"{report.steps} steps"))
