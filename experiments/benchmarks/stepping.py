"""Steps a second: 64 runners of ours, observation and truth included, against Gymnasium's SyncVectorEnv."""

from __future__ import annotations

from itertools import cycle

import gymnasium
import numpy as np

import roborew_envs  # noqa: F401 - registers the ids
from experiments.benchmarks.measure import Rate, Row, compare, rate

NUM_ENVS = 64
SECONDS = 1.0


def _stepping(env: gymnasium.vector.VectorEnv) -> Rate:
    actions = np.random.default_rng(0).uniform(-1, 1, (50, *env.action_space.shape)).astype(np.float32)
    env.reset(seed=0)
    turns = cycle(actions)

    def step() -> int:
        env.step(next(turns))
        return NUM_ENVS

    return lambda: rate(step, SECONDS)


def run(repeats: int) -> list[Row]:
    """Both through `gymnasium.make_vec`; same body, time step and frame skip."""
    ours = gymnasium.make_vec("roborew/Cheetah-v0", NUM_ENVS, vectorization_mode="vector_entry_point")
    peer = gymnasium.make_vec("HalfCheetah-v5", NUM_ENVS, vectorization_mode="sync")
    settings = f"roborew/Cheetah-v0 against SyncVectorEnv of HalfCheetah-v5, {NUM_ENVS} simulations, random actions"
    row = compare("stepping", _stepping(ours), _stepping(peer), "env steps/s", settings, repeats)
    ours.close()
    peer.close()
    return [row]
