"""How one video is moved onto another at the least cost (TemporalOT, arXiv:2410.21795)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def costs(video: Tensor, demonstration: Tensor, context: int) -> Tensor:
    """One minus the cosine of every pair of frames, averaged over ``context`` frames from them on, shape (T, S).

    At the ends the last frames stand for those that are missing.
    """
    first, second = (functional.normalize(each, dim=-1) for each in (video, demonstration))
    total = first.new_zeros(len(first), len(second))
    for shift in range(context):
        rows, columns = (torch.arange(shift, shift + len(each)).clamp(max=len(each) - 1) for each in (first, second))
        total = total + 1 - first[rows] @ second[columns].T
    return total / context


def plan(cost: Tensor, band: float, epsilon: float, rounds: int) -> Tensor:
    """Entropic optimal transport of evenly spread frames, none moved by more than a share of the time, (T, S).

    Args:
        cost: shape (T, S).
        band: largest difference of the shares of their videos at which two frames lie; one frame is always in reach.
        epsilon: weight of the entropy.
        rounds: of Sinkhorn's algorithm, in logarithms; the last sets what each row carries, which is 1 / T.
    """
    rows, columns = cost.shape
    apart = (torch.linspace(0, 1, rows)[:, None] - torch.linspace(0, 1, columns)).abs()
    reach = max(band, 1 / max(1, min(rows, columns) - 1))
    kernel = (-cost / epsilon).masked_fill(apart > reach + 1e-6, -1e9)
    left, right = cost.new_zeros(rows), cost.new_zeros(columns)
    for _ in range(rounds):
        right = -torch.logsumexp(kernel + left[:, None], dim=0) - float(torch.tensor(columns).log())
        left = -torch.logsumexp(kernel + right, dim=1) - float(torch.tensor(rows).log())
    return (kernel + left[:, None] + right).exp()
