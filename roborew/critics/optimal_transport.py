"""Optimal transport between the frames of two videos, with entropy and in a band of time."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

MASKED_LOGIT = -1e9
"""For two frames that are too far apart in time; exp gives 0."""


REACH_TOLERANCE = 1e-6
"""Times are shares of an episode: equal ones may differ by a rounding."""


def cosine_costs(video: Tensor, demonstration: Tensor, num_context_frames: int) -> Tensor:
    """One minus the cosine of every pair of frames, averaged over a number of frames from them on,
    shape (T, S).

    At the ends the last frames stand for those that are missing.
    """
    first = functional.normalize(video, dim=-1)
    second = functional.normalize(demonstration, dim=-1)

    total = first.new_zeros(len(first), len(second))
    for shift in range(num_context_frames):
        later_first = _shifted(first, shift)
        later_second = _shifted(second, shift)
        total = total + 1 - later_first @ later_second.T

    return total / num_context_frames


def transport_plan(cost: Tensor, band: float, epsilon: float, sinkhorn_iters: int) -> Tensor:
    """Entropic optimal transport of evenly spread frames, none moved by more than a share of the
    time, (T, S).

    Args:
        cost: shape (T, S).
        band: largest difference of the shares of their videos at which two frames lie; one frame is
            always in reach.
        epsilon: weight of the entropy.
        sinkhorn_iters: of Sinkhorn's algorithm, in logarithms; the last sets what each row carries,
            which is 1 / T.
    """
    rows, columns = cost.shape
    row_times = torch.linspace(0, 1, rows)
    column_times = torch.linspace(0, 1, columns)
    distance = (row_times[:, None] - column_times).abs()
    # Of a short video the next frame may lie beyond the band.
    next_frame = 1 / max(1, min(rows, columns) - 1)
    reach = max(band, next_frame)
    kernel = -cost / epsilon
    kernel = kernel.masked_fill(distance > reach + REACH_TOLERANCE, MASKED_LOGIT)

    log_rows = float(torch.tensor(rows).log())
    log_columns = float(torch.tensor(columns).log())
    row_potential = cost.new_zeros(rows)
    column_potential = cost.new_zeros(columns)
    # In logarithms: exp(-cost / epsilon) would underflow at small epsilon.
    for _ in range(sinkhorn_iters):
        column_mass = torch.logsumexp(kernel + row_potential[:, None], dim=0)
        column_potential = -column_mass - log_columns
        row_mass = torch.logsumexp(kernel + column_potential, dim=1)
        row_potential = -row_mass - log_rows

    return (kernel + row_potential[:, None] + column_potential).exp()


def _shifted(frames: Tensor, shift: int) -> Tensor:
    """Frames (T, W) from a frame on, the last one repeated."""
    last = len(frames) - 1
    indices = torch.arange(shift, shift + len(frames))
    return frames[indices.clamp(max=last)]
