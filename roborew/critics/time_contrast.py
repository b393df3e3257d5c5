"""The time-contrastive loss that `vip` and `liv` share, and the frames it reads.

VIP, arXiv:2210.00030, algorithm 1: the dual of the value of reaching a goal in as few frames as
possible, where every frame before the goal costs 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from roborew.learning.packed_episodes import PackedEpisodes
from roborew.learning.sampling import Indices

MIN_MEAN_EXP = 1e-6
"""Added to the mean inside the logarithm, so that the loss stays finite."""


@dataclass(frozen=True, slots=True)
class TimeTriplets:
    """Frames of demonstrations as rows (B,) of packed episodes: start <= now <= goal.

    Attributes:
        episode: which demonstration, shape (B,).
        start: an earlier frame.
        now: the frame whose value is compared.
        after: the next one; the goal itself where now is the goal.
        goal: a later frame, after the start.
    """

    episode: Indices
    start: Indices
    now: Indices
    after: Indices
    goal: Indices


def sample_time_triplets(
    rng: np.random.Generator, episodes: PackedEpisodes, count: int, to_end: bool = False
) -> TimeTriplets:
    """Draw frames; every demonstration is as likely as any other.

    With ``to_end`` every goal is a last frame.
    """
    episode = rng.integers(len(episodes.lengths), size=count)
    length = episodes.lengths[episode]
    start = rng.integers(0, length - 1)
    goal = length - 1 if to_end else rng.integers(start + 1, length)
    now = rng.integers(start, goal + 1)
    # Never past the goal, where nothing is to be learned.
    after = np.minimum(now + 1, goal)

    first_row = episodes.starts[episode]
    return TimeTriplets(
        episode=episode,
        start=first_row + start,
        now=first_row + now,
        after=first_row + after,
        goal=first_row + goal,
    )


def time_contrastive_loss(
    values: Sequence[Tensor],
    reached: Tensor,
    gamma: float,
    num_shuffles: int,
    rng: np.random.Generator,
) -> Tensor:
    """VIP's loss of values V(frame; goal), with r = 0 where the frame is its goal, otherwise -1.

    ``(1 - gamma) E[-V(start)] + log(eps + E[exp(-(r + gamma V(after) - V(now)))])``; with shuffles
    the second term once more, over pairs of a frame and another demonstration's goal, none of which
    is reached.

    Args:
        values: of starts, of frames and of the frames after them, each for every goal, shape
            (B, B): row = frame, column = goal.
        reached: whether the frame is its goal, bool, shape (B,).
        gamma: discount of a frame's cost, below 1.
        num_shuffles: how many times frames are paired with others' goals; 0 for never.
        rng: shuffles.
    """
    start, now, after = values
    value_at_start = start.diagonal().mean()
    loss = (1 - gamma) * -value_at_start
    loss = loss + log_mean_exp_residual(now.diagonal(), after.diagonal(), reached, gamma)
    if num_shuffles == 0:
        return loss

    batch_size = len(now)
    # A shuffle may leave a frame with its own goal; as in VIP that counts as not reached too.
    shuffles = [rng.permutation(batch_size) for _ in range(num_shuffles)]
    rows = np.concatenate(shuffles)
    columns = np.tile(np.arange(batch_size), num_shuffles)
    never = torch.zeros(len(rows), dtype=torch.bool)
    return loss + log_mean_exp_residual(now[rows, columns], after[rows, columns], never, gamma)


def log_mean_exp_residual(now: Tensor, after: Tensor, reached: Tensor, gamma: float) -> Tensor:
    """``log(eps + mean(exp(-(r + gamma V(after) - V(now)))))`` of values (N,), a scalar."""
    reward = reached.to(now) - 1
    residual = now - gamma * after - reward

    # In logarithms throughout: residuals of hundreds would overflow exp.
    log_count = float(np.log(len(residual)))
    log_mean = torch.logsumexp(residual, dim=0) - log_count
    log_floor = float(np.log(MIN_MEAN_EXP))
    return torch.logaddexp(log_mean, log_mean.new_tensor(log_floor))
