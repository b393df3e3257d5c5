"""The time-contrastive loss that `vip` and `liv` share (VIP, arXiv:2210.00030), and what it is
shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from roborew.learning.packed_episodes import PackedEpisodes
from roborew.learning.sampling import Indices

SMALL = 1e-6


@dataclass(frozen=True, slots=True)
class TimeTriplets:
    """Moments of demonstrations, as rows (B,) of a stack: start <= now, after = the next one, all
    up to the goal.

    Attributes:
        episode: which demonstration, shape (B,).
        start: an earlier frame.
        now: a frame of which the value is asked.
        after: the next one; the goal itself where now is the goal.
        goal: a later frame, after the start.
    """

    episode: Indices
    start: Indices
    now: Indices
    after: Indices
    goal: Indices


def moments(
    rng: np.random.Generator, stack: PackedEpisodes, count: int, to_end: bool = False
) -> TimeTriplets:
    """Draw moments; every demonstration is as likely as any other. With ``to_end`` every goal is a
    last frame."""
    episode = rng.integers(len(stack.lengths), size=count)
    length = stack.lengths[episode]
    start = rng.integers(0, length - 1)
    goal = length - 1 if to_end else rng.integers(start + 1, length)
    now = rng.integers(start, goal + 1)
    at = stack.starts[episode]
    return TimeTriplets(episode, at + start, at + now, at + np.minimum(now + 1, goal), at + goal)


def contrast_in_time(
    values: Sequence[Tensor], arrived: Tensor, discount: float, sets: int, rng: np.random.Generator
) -> Tensor:
    """The dual of the value of reaching a goal in as few frames as possible, and the same surplus
    for frames of other demonstrations, none of which has arrived.

    Args:
        values: of starts, of frames and of the frames after them, each for every goal, shape (B,
            B): row = frame.
        arrived: whether the frame is its goal, bool, shape (B,); every other one costs 1.
        discount: below 1.
        sets: how many shuffles of other demonstrations' frames; 0 for none.
        rng: shuffles.
    """
    start, now, after = values
    loss = (1 - discount) * -start.diagonal().mean()
    loss = loss + soft_surplus(now.diagonal(), after.diagonal(), arrived, discount)
    if not sets:
        return loss
    rows = np.concatenate([rng.permutation(len(now)) for _ in range(sets)])
    columns = np.tile(np.arange(len(now)), sets)
    nowhere = torch.zeros(len(rows), dtype=torch.bool)
    return loss + soft_surplus(now[rows, columns], after[rows, columns], nowhere, discount)


def soft_surplus(now: Tensor, after: Tensor, arrived: Tensor, discount: float) -> Tensor:
    """Log of the mean of exp(-(reward + discount * after - now)), kept finite by a small term as in
    VIP."""
    surplus = now - discount * after - (arrived.to(now) - 1)
    mean = torch.logsumexp(surplus, dim=0) - float(np.log(len(surplus)))
    return torch.logaddexp(mean, mean.new_tensor(float(np.log(SMALL))))
