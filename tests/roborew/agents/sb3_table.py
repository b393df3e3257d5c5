"""Every algorithm of Stable-Baselines3, small enough to be tried, and points that each can drive."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.spaces import Box, Dict, Discrete
from gymnasium.vector.utils import batch_space

from roborew.agents.sb3 import ALGORITHMS, SB3Agent, agent_class
from roborew.checks.synthetic import PointEnv

NUM_ENVS = 4
CHUNK = 8
"""Steps of every environment between two reports."""
SMALL: dict[str, Any] = {
    "hidden_dim": 8,
    "lstm_hidden_size": 8,
    "n_steps": CHUNK,
    "n_epochs": 2,
    "batch_size": 16,
    "n_critic_updates": 2,
    "buffer_size": 200,
    "report_every": CHUNK,
    "train_freq": 4,
    "gradient_steps": 2,
    "learning_starts": 40,
    "target_update_interval": 40,
    "policy_delay": 2,
    "n_delta": 2,
    "n_eval_episodes": NUM_ENVS,
}
"""Settings, each of those algorithms that have it."""


class PartsEnv(PointEnv):
    """Points whose position and target are two parts of an observation, beside the direction, a
    number."""

    def __init__(self, num_envs: int, horizon: int = 20, *, discrete: bool = False) -> None:
        super().__init__(num_envs, horizon, discrete=discrete)
        plane = Box(-np.inf, np.inf, (2,), np.float32)
        parts = {"position": plane, "target": plane, "quadrant": Discrete(4)}
        self.single_observation_space: Any = Dict(parts)
        self.observation_space = batch_space(self.single_observation_space, num_envs)

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> Any:
        observations, infos = super().reset(seed=seed, options=options)
        return in_parts(observations), infos

    def step(self, actions: Any) -> Any:
        observations, *rest = super().step(actions)
        return in_parts(observations), *rest


def in_parts(observations: Any) -> dict[str, Any]:
    position, target = observations[:, :2], observations[:, 2:]
    right, up = (target > position).T
    return {"position": position, "target": target, "quadrant": 2 * right + up}


def small(name: str, **settings: Any) -> Any:
    kind = agent_class(name).Config
    chosen = {key: value for key, value in SMALL.items() if hasattr(kind, key)}
    if "buffer_size" in chosen:
        # Of a rollout; where there is a replay, it is over how many rewards a return adds up.
        del chosen["n_steps"]
    return kind(**{**chosen, **settings})


def points(name: str, num_envs: int = NUM_ENVS, *, parts: bool = False) -> PointEnv:
    """Points that the algorithm can drive."""
    discrete = Box not in ALGORITHMS[name].actions
    kind = PartsEnv if parts else PointEnv
    return kind(num_envs, horizon=10, discrete=discrete)


def make(name: str, env: PointEnv, seed: int = 0, **settings: Any) -> SB3Agent:
    spaces = env.single_observation_space, env.single_action_space
    return agent_class(name)(*spaces, small(name, **settings), seed)
