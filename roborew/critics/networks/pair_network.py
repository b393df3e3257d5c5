"""A network that says by how much the second of two frames is nearer to the goal: what `pair` and
`hop` share."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from roborew.critics.networks.heads import cross_entropy, expectation, masked_mean, two_hot


def expected_change(logits: Tensor) -> Tensor:
    """The change, in [-1, 1], of logits over bins."""
    return 2 * expectation(logits) - 1


def _layers(inputs: int, width: int, outputs: int) -> nn.Module:
    return nn.Sequential(
        nn.Linear(inputs, 2 * width),
        nn.GELU(),
        nn.Linear(2 * width, width),
        nn.GELU(),
        nn.Linear(width, outputs),
    )


class PairNetwork(nn.Module):
    """Reads pictures (B, P, D), of which the last two are compared, and a sentence (B, E).

    Args:
        features: D.
        text: E.
        pictures: P, at least 2.
        width: of the layers between.
        bins: that a change in [-1, 1] is spread over; odd, so that one of them is no change.
    """

    def __init__(self, features: int, text: int, pictures: int, width: int, bins: int) -> None:
        super().__init__()
        self.bins = bins
        self.frame = nn.Sequential(nn.LayerNorm(features), nn.Linear(features, width), nn.GELU())
        self.change = _layers((pictures + 1) * width + text, width, bins)
        self.done = _layers(width + text, width, 1)

    def forward(self, pictures: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the change from the last picture but one to the last, (B, bins), and that it is
        done, (B,)."""
        read = self.frame(pictures)
        moved = read[:, -1] - read[:, -2]
        change = self.change(torch.cat([read.flatten(1), moved, text], dim=1))
        return change, self.done(torch.cat([read[:, -1], text], dim=1))[:, 0]

    def loss(
        self, pictures: Tensor, text: Tensor, change: NDArray[np.float32], done: NDArray[np.float32]
    ) -> Tensor:
        """Of changes in [-1, 1] and of what is done, (B,) each, NaN where nobody knows."""
        logits, claims = self(pictures, text)
        wanted, told = torch.as_tensor(change), torch.as_tensor(done)
        known, target = wanted.isfinite(), wanted.nan_to_num()
        total = masked_mean(cross_entropy(logits, two_hot((target + 1) / 2, self.bins)), known)
        total = total + 10 * masked_mean((expected_change(logits) - target).square(), known)
        losses = functional.binary_cross_entropy_with_logits(
            claims, told.nan_to_num(), reduction="none"
        )
        return total + masked_mean(losses, told.isfinite())
