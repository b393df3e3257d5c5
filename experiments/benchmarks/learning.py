"""Steps a second of PPO, and gradient steps a second of SAC, against Stable-Baselines3's with the same settings:
simulation, acting and updating, no reward model."""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle

import gymnasium
import mujoco
import numpy as np
import torch
from gymnasium.vector import AutoresetMode, VectorEnv
from stable_baselines3 import PPO as PeerPPO
from stable_baselines3 import SAC as PeerSAC
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

import roborew_envs  # noqa: F401 - registers the ids
from experiments.benchmarks.contender import contender
from experiments.benchmarks.measure import Row, compare
from roborew.agents.ppo import PPO, PPOConfig
from roborew.agents.sac.agent import SAC
from roborew.agents.sac.config import SACConfig
from roborew.agents.sb3 import as_sb3

OURS, PEER = "roborew/Cheetah-v0", "HalfCheetah-v5"
NUM_ENVS = 64
PPO_SETTINGS = {"n_steps": 16, "n_epochs": 12, "batch_size": 512, "gamma": 0.98, "gae_lambda": 0.9}
"""Those of ours by default."""
PPO_HIDDEN = 64
SAC_SETTINGS = {"batch_size": 256, "gradient_steps": 16, "buffer_size": 100_000, "gamma": 0.98}
SAC_HIDDEN = 256
LEARNING_STARTS = 1_024
NEVER = 1 << 62
"""Steps at which a run ends, so that no schedule reaches its end."""


def _make_env() -> VectorEnv:
    torch.set_num_threads(1)
    # MuJoCo 4 finds fault with the compiler settings of this model.
    mujoco.set_mju_user_warning(lambda _: None)
    return gymnasium.make_vec(
        OURS,
        NUM_ENVS,
        vectorization_mode="vector_entry_point",
        autoreset_mode=AutoresetMode.DISABLED,
    )


def stepping_alone() -> Callable[[], int]:
    """The same environment, random actions, and nobody who learns: what no agent can exceed."""
    env = _make_env()
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    shape = env.action_space.shape
    actions = iter(cycle(rng.uniform(-1, 1, (50, *shape)).astype(np.float32)))

    def step() -> int:
        _, _, terminated, truncated, _ = env.step(next(actions))
        ended = terminated | truncated
        if ended.any():
            env.reset(options={"reset_mask": ended})
        return NUM_ENVS

    return step


def own_ppo() -> Callable[[], int]:
    """A rollout and its update."""
    env = _make_env()
    settings = PPOConfig(
        **PPO_SETTINGS, hidden_dim=PPO_HIDDEN, schedule="constant", normalize_observations=False
    )
    agent = PPO(env.single_observation_space, env.single_action_space, settings)
    size = settings.n_steps * NUM_ENVS

    def rollout() -> int:
        agent.learn(env, agent.steps + size)
        return size

    return rollout


def _peer_env(env_id: str) -> VecEnv:
    own = _make_env()
    if env_id == OURS:
        return as_sb3(own)
    return DummyVecEnv([lambda: gymnasium.make(env_id)] * NUM_ENVS)


def peer_ppo(env_id: str) -> Callable[[], int]:
    """The same of Stable-Baselines3, in our environment or in Gymnasium's."""
    network = {"net_arch": [PPO_HIDDEN, PPO_HIDDEN]}
    agent = PeerPPO(
        "MlpPolicy", _peer_env(env_id), **PPO_SETTINGS, policy_kwargs=network, device="cpu"
    )
    size = agent.n_steps * NUM_ENVS

    def rollout() -> int:
        agent.learn(size, reset_num_timesteps=False)
        return size

    return rollout


def own_sac() -> Callable[[], int]:
    """Steps of all environments, and the gradient steps after each."""
    env = _make_env()
    settings = SACConfig(
        **SAC_SETTINGS,
        hidden_dim=SAC_HIDDEN,
        learning_starts=LEARNING_STARTS,
        n_step=1,
        entropy_in_target=True,
        normalize_observations=False,
        report_every=1,
    )
    agent = SAC(env.single_observation_space, env.single_action_space, settings)
    agent.learn(env, LEARNING_STARTS + NUM_ENVS)

    def updates() -> int:
        agent.learn(env, agent.steps + NUM_ENVS)
        return settings.gradient_steps

    return updates


def peer_sac(env_id: str) -> Callable[[], int]:
    """The same of Stable-Baselines3."""
    network = {"net_arch": [SAC_HIDDEN, SAC_HIDDEN]}
    agent = PeerSAC(
        "MlpPolicy",
        _peer_env(env_id),
        **SAC_SETTINGS,
        train_freq=1,
        learning_starts=LEARNING_STARTS,
        policy_kwargs=network,
        device="cpu",
    )
    agent.learn(LEARNING_STARTS + NUM_ENVS)

    def updates() -> int:
        agent.learn(NUM_ENVS, reset_num_timesteps=False)
        return agent.gradient_steps

    return updates


def run(repeats: int) -> list[Row]:
    """Each in a process of its own, on one thread of torch."""
    rows: list[Row] = []
    contests = (
        ("PPO", own_ppo, peer_ppo, "env steps/s", PPO_SETTINGS),
        ("SAC", own_sac, peer_sac, "gradient steps/s", SAC_SETTINGS),
    )
    for name, own, peer, unit, settings in contests:
        for env_id in (OURS, PEER):
            chosen = ", ".join(f"{key} {value}" for key, value in settings.items())
            about = (
                f"our {name} on {OURS} against Stable-Baselines3's on {env_id}, {NUM_ENVS} "
                f"environments, one thread of torch, {chosen}"
            )
            with contender(own) as ours, contender(peer, env_id) as theirs:
                rows.append(compare("learning", ours, theirs, unit, about, repeats))
    about = f"our PPO against stepping {OURS} with random actions, {NUM_ENVS} environments"
    with contender(own_ppo) as ours, contender(stepping_alone) as alone:
        rows.append(compare("learning", ours, alone, "env steps/s", about, repeats))
    return rows
