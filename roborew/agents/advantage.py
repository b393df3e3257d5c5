"""Generalised advantage estimation (Schulman et al. 2016, arXiv:1506.02438, equation 16), a pure
function."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def compute_gae(
    rewards: NDArray[np.floating],
    values: NDArray[np.floating],
    next_values: NDArray[np.floating],
    done: NDArray[np.bool_],
    gamma: float,
    gae_lambda: float,
) -> NDArray[np.float64]:
    """Return the advantage of each action, shape (T, N).

    ``A_t = delta_t + gamma * gae_lambda * A_{t+1}`` with ``delta_t = r_t + gamma * V(s_{t+1}) -
    V(s_t)``; the sum stops at the end of an episode, whatever ended it.

    Args:
        rewards: shape (T, N), the reward of the action taken at t.
        values: shape (T, N), V(s_t).
        next_values: shape (T, N), V(s_{t+1}): 0 where s_{t+1} is terminal, the value of the
            episode's final observation where a time limit cut it (a truncation is no termination).
        done: shape (T, N), True where the action at t was the last of its episode.
        gamma: the discount, in [0, 1].
        gae_lambda: decay of the sum, in [0, 1]: 0 trusts the values, 1 the rewards.
    """
    deltas = rewards + gamma * next_values - values
    num_steps, num_envs = deltas.shape
    advantages = np.zeros((num_steps, num_envs), dtype=np.float64)
    next_advantage = np.zeros(num_envs, dtype=np.float64)
    for t in reversed(range(num_steps)):
        # What follows the last action of an episode belongs to another one.
        next_advantage = np.where(done[t], 0.0, next_advantage)
        next_advantage = deltas[t] + gamma * gae_lambda * next_advantage
        advantages[t] = next_advantage
    return advantages
