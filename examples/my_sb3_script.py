"""Stable-Baselines3 on a learned reward, in two lines more than without; its log tells the truth, too."""

from __future__ import annotations

import argparse

import gymnasium
from stable_baselines3 import PPO

import roborew
import roborew_envs

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--env", default="roborew/Press-v0", choices=list(roborew_envs.TASKS))
parser.add_argument("--total-timesteps", type=int, default=100_000)
arguments = parser.parse_args()

env = gymnasium.make_vec(
    arguments.env,
    num_envs=16,
    vectorization_mode="vector_entry_point",
    render_mode="rgb_array",
    autoreset_mode="Disabled",
)
reward = roborew.load_reward("mini")
paid = roborew.LearnedReward(env, reward, roborew_envs.make_task(arguments.env).instruction)
model = PPO("MlpPolicy", roborew.as_sb3(paid), n_steps=32, batch_size=128, verbose=1)

# Logs true/ep_rew_mean beside rollout/ep_rew_mean, which is what the learned reward paid.
model.learn(arguments.total_timesteps, roborew.TrueReturn())
