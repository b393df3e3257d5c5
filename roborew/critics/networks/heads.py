"""What stands on top of a critic's network: numbers as distributions over bins, and losses of which
some entries do not count."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def bin_centers(bins: int) -> Tensor:
    """Centers of bins over [0, 1], both ends among them, shape (bins,)."""
    return torch.linspace(0.0, 1.0, bins)


def two_hot(values: Tensor, bins: int) -> Tensor:
    """Spread values (...) in [0, 1] over the two nearest bins, shape (..., bins): `expectation`
    gives them back.

    As in Robometer (arXiv:2603.02115). NaN gives a row of NaN.

    >>> two_hot(torch.tensor([0.25]), 3).tolist()
    [[0.5, 0.5, 0.0]]
    """
    places = values.clamp(0.0, 1.0)[..., None] * (bins - 1)
    return (1 - (places - torch.arange(bins, device=values.device)).abs()).clamp(min=0.0)


def expectation(logits: Tensor) -> Tensor:
    """Mean of the distribution over bins, shape (...), in [0, 1]."""
    return (logits.softmax(-1) @ bin_centers(logits.shape[-1]).to(logits)).clamp(0.0, 1.0)


def standard_deviation(logits: Tensor) -> Tensor:
    """Standard deviation of the distribution over bins, shape (...), in [0, 0.5]."""
    probabilities = logits.softmax(-1)
    centers = bin_centers(logits.shape[-1]).to(logits)
    mean = (probabilities @ centers)[..., None]
    squared_deviations = (centers - mean).square()
    variance = (probabilities * squared_deviations).sum(-1)
    # Rounding may leave a certain distribution a variance just below 0.
    return variance.clamp(min=0.0).sqrt()


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy with distributions over bins, shape (...)."""
    return -(targets * logits.log_softmax(-1)).sum(-1)


def log_prob_greater(first: Tensor, second: Tensor) -> Tensor:
    """Log probability (...) that a draw from the second distribution is above one from the first,
    no tie; both given as log probabilities (..., bins).

    OPRM (arXiv:2602.12660): ``P = sum_k second(k) P(first < k)``. In logs it has a gradient however
    unlikely it is.

    >>> low, high = torch.tensor([0.2, 0.6, 0.2]).log(), torch.tensor([0.5, 0.0, 0.5]).log()
    >>> log_prob = log_prob_greater(low, high)
    >>> round(log_prob.exp().item(), 4)
    0.4
    """
    return (second[..., 1:] + first[..., :-1].logcumsumexp(-1)).logsumexp(-1)


def log_prob_equal(first: Tensor, second: Tensor) -> Tensor:
    """Log probability (...) that draws from both distributions (..., bins), given in logs, are the
    same."""
    return (first + second).logsumexp(-1)


def masked_mean(losses: Tensor, mask: Tensor) -> Tensor:
    """Mean of the losses that count: their sum over their number, a scalar; 0 where none does.

    What does not count may be NaN. Fill unknown targets before a loss is computed: the gradient
    through a NaN is NaN.
    """
    return torch.where(mask, losses, 0.0).sum() / mask.sum().clamp(min=1)


def mlp_head(width: int, outputs: int) -> nn.Module:
    """The small network that Robometer reads an answer off with: vectors (..., width) to (...,
    outputs)."""
    half = max(8, width // 2)
    return nn.Sequential(
        nn.Linear(width, half), nn.LayerNorm(half), nn.GELU(), nn.Linear(half, outputs)
    )
