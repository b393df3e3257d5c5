"""A network that says by how much the second of two frames is nearer to the goal: what `pair` and
`hop` share."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from roborew.critics.networks.heads import cross_entropy, expectation, masked_mean, two_hot

SQUARED_ERROR_WEIGHT = 10


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
        project = nn.Linear(features, width)
        self.frame = nn.Sequential(nn.LayerNorm(features), project, nn.GELU())
        # Every picture, and the difference of the last two.
        pair_dim = (pictures + 1) * width + text
        self.change = _layers(pair_dim, width, bins)
        last_dim = width + text
        self.done = _layers(last_dim, width, 1)

    def forward(self, pictures: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the change from the last picture but one to the last, (B, bins), and that it is
        done, (B,)."""
        vectors = self.frame(pictures)
        # The last frame is sliced twice, not once and shared: gradients would be added up in another
        # order, and a seed would give other weights.
        step = vectors[:, -1] - vectors[:, -2]
        pair = torch.cat([vectors.flatten(1), step, text], dim=1)
        change = self.change(pair)
        last = torch.cat([vectors[:, -1], text], dim=1)
        done = self.done(last)
        return change, done[:, 0]

    def loss(
        self,
        pictures: Tensor,
        text: Tensor,
        change: NDArray[np.float32],
        success: NDArray[np.float32],
    ) -> Tensor:
        """Return ``CE(two_hot(c)) + 10 (c' - c)^2 + BCE(s', s)``, each a mean over what is known.

        Args:
            pictures: shape (B, P, D).
            text: shape (B, E).
            change: labels ``c`` in [-1, 1], shape (B,), NaN where nobody knows.
            success: labels ``s``, 0 or 1, shape (B,), NaN where nobody knows.
        """
        logits, success_logits = self(pictures, text)
        change_target = torch.as_tensor(change)
        success_target = torch.as_tensor(success)
        has_change = change_target.isfinite()
        # NaN times zero is NaN in the gradient: unknown labels are filled before they are masked.
        target = change_target.nan_to_num()
        bins = two_hot((target + 1) / 2, self.bins)
        total = masked_mean(cross_entropy(logits, bins), has_change)
        squared_error = (expected_change(logits) - target).square()
        total = total + SQUARED_ERROR_WEIGHT * masked_mean(squared_error, has_change)
        success_loss = functional.binary_cross_entropy_with_logits(
            success_logits, success_target.nan_to_num(), reduction="none"
        )
        return total + masked_mean(success_loss, success_target.isfinite())
