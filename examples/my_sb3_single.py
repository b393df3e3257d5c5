"""Stable-Baselines3 on a learned reward in a single environment: one line more than without."""

from __future__ import annotations

import argparse

import gymnasium
from stable_baselines3 import SAC

import roborew
import roborew_envs

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--env", default="roborew/Press-v0", choices=list(roborew_envs.TASKS))
parser.add_argument("--total-timesteps", type=int, default=20_000)
arguments = parser.parse_args()

env = gymnasium.make(arguments.env, render_mode="rgb_array")
instruction = roborew_envs.make_task(arguments.env).instruction
paid = roborew.SingleLearnedReward(env, roborew.load_reward("mini"), instruction)
model = SAC("MlpPolicy", paid, verbose=1)

# Logs true/ep_rew_mean beside rollout/ep_rew_mean, which is what the learned reward paid.
model.learn(arguments.total_timesteps, roborew.TrueReturn())
