"""Paid demonstrations as samples of chunks: what came of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from roborew.agents.demonstrations import DemonstrationEpisode


@dataclass(frozen=True, slots=True)
class Transitions:
    """Every step of the demonstrations, with its chunk of actions.

    Attributes:
        observations: shape (N, D), normalized.
        chunks: shape (N, K * A), in [-1, 1].
        returns: shape (N,), discounted rewards of the chunk, or of what is left of the episode.
        following: shape (N, D), normalized observations after it.
        discounts: shape (N,), of the value there; 0 after a termination.
        episode_returns: shape (N,), undiscounted rewards of the whole episode of each.
    """

    observations: Tensor
    chunks: Tensor
    returns: Tensor
    following: Tensor
    discounts: Tensor
    episode_returns: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ChunkReturns:
    """What came of the chunk of actions from each step t on, of ``n`` actions, or of fewer where the
    episode ends.

    Attributes:
        returns: shape (T,), ``sum_(k < n) gamma^k r_(t + k)``.
        discounts: shape (T,), ``gamma^n``; 0 where a termination came of it.
        following: shape (T, D), observations ``t + n``.
    """

    returns: NDArray[np.float64]
    discounts: NDArray[np.float64]
    following: NDArray[np.float32]


def chunk_returns(episode: DemonstrationEpisode, chunk_size: int, gamma: float) -> ChunkReturns:
    """Return what came of each chunk of a paid episode."""
    rewards = paid_rewards(episode)
    length = len(rewards)
    padded = np.concatenate([rewards, np.zeros(chunk_size)])
    shares = [gamma**k * padded[k : k + length] for k in range(chunk_size)]
    steps = np.arange(length)
    ends = np.minimum(steps + chunk_size, length)
    discounts = gamma ** (ends - steps).astype(np.float64)
    if episode.terminated:
        discounts = np.where(ends == length, 0.0, discounts)
    return ChunkReturns(
        returns=np.sum(shares, axis=0),
        discounts=discounts,
        following=np.asarray(episode.observations)[ends],
    )


def return_range(episodes: Sequence[DemonstrationEpisode]) -> float:
    """The difference between the highest and the lowest undiscounted return of paid episodes."""
    returns = [float(paid_rewards(episode).sum()) for episode in episodes]
    return max(returns) - min(returns)


def paid_rewards(episode: DemonstrationEpisode) -> NDArray[np.float64]:
    """What an episode was paid, shape (T,), what it was paid at a frame that was scored evenly over
    the steps since the one before.

    A reward that looks at every fourth frame pays for four steps at once: which chunks hold the step
    that is paid says nothing of what they are worth.
    """
    assert episode.rewards is not None
    rewards = episode.rewards.astype(np.float64)
    if episode.scores is None:
        return rewards
    frames = np.flatnonzero(np.isfinite(episode.scores))
    # What lies before the first and behind the last of them stays as it was paid.
    for start, stop in pairwise(frames.tolist()):
        rewards[start:stop] = rewards[start:stop].mean()
    return rewards
