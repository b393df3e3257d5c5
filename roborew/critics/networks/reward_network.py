"""Rewards of single frames that explain answers about pieces of video, of one user or of
several."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from roborew.critics.networks.heads import (
    expectation,
    log_prob_equal,
    log_prob_greater,
    standard_deviation,
)

APART = 0.2
"""By how much a piece that is less alike must be further away, in squared distance."""


class RewardNetwork(nn.Module):
    """Frames (..., D), sentences (..., E) and, where users differ, what is known of the user (...,
    latent), to rewards (..., 1) or to logits of grades (..., bins).

    Args:
        features: D.
        text: E.
        width: of the layers between.
        outputs: 1, or the number of grades.
        latent: numbers that tell users apart; 0 where they are not told apart.
    """

    middle: Tensor
    spread: Tensor

    def __init__(self, features: int, text: int, width: int, outputs: int, latent: int = 0) -> None:
        super().__init__()
        self.frame = nn.LayerNorm(features)
        self.layers = nn.Sequential(
            nn.Linear(features + text + latent, 2 * width),
            nn.GELU(),
            nn.Linear(2 * width, width),
            nn.GELU(),
        )
        self.last = nn.Linear(width, outputs)
        layers = (
            (nn.Linear(features, width), nn.GELU(), nn.Linear(width, 2 * latent)) if latent else ()
        )
        self.reader = nn.Sequential(*layers)
        self.register_buffer("middle", torch.zeros(()))
        self.register_buffer("spread", torch.ones(()))

    def forward(self, frames: Tensor, text: Tensor) -> Tensor:
        """Sentences come with what is known of the user behind them."""
        return self.last(self.embed(frames, text))

    def embed(self, frames: Tensor, text: Tensor) -> Tensor:
        """Vectors (..., width) that the outputs are linear in."""
        return self.layers(torch.cat([self.frame(frames), text], dim=-1))

    def encode_user(self, pieces: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of a user, (latent,), from answers about pieces (N, 2, length, D),
        labels (N,): the encoder of VPL (arXiv:2408.10075), of differences from the worse to the
        better piece, so that an answer and the same answer turned round say the same.
        """
        if not self.reader:
            return label.new_zeros(0), label.new_zeros(0)
        first, second = self.frame(pieces).mean(2).unbind(1)
        towards = (2 * label[:, None] - 1) * (second - first)
        mean, spread = self.reader(towards).mean(0).chunk(2)
        return mean, spread.clamp(-8, 4)

    def triplet_loss(self, frames: Tensor, text: Tensor) -> Tensor:
        """SIRL's loss (arXiv:2301.00810) of triples (N, 3, length, D) whose second piece is more
        like the first than
        the third is: in both orders, the like pair is nearer than either is to the third."""
        vectors = self.embed(frames, text).mean(2)
        one, other, odd = vectors[:, 0], vectors[:, 1], vectors[:, 2]
        near = (one - other).square().mean(-1)
        gaps = torch.stack([near - (end - odd).square().mean(-1) for end in (one, other)])
        return (gaps + APART).clamp(min=0).mean()

    def loss(self, told: Tensor, label: Tensor, noise: float) -> Tensor:
        """Of outputs (B, 2, length, outputs) for labels (B,), of which a share was turned round.

        Bradley-Terry: ``P = (1 - 2 noise) sigma(R2 - R1) + noise``, R the sum over a piece.
        Ordinal: each piece has the mean distribution of its frames; the better one is strictly
        above, and of a tie the grades are the same, for which a label counts as far as it speaks
        for neither.
        """
        if told.shape[-1] == 1:
            total = told[..., 0].sum(-1)
            gap = total[:, 1] - total[:, 0]
            second, first = functional.logsigmoid(gap), functional.logsigmoid(-gap)
            likelihood = label * _turned(second, first, noise) + (1 - label) * _turned(
                first, second, noise
            )
            return 1e-3 * told.square().mean() - likelihood.mean()
        one, other = (told.log_softmax(-1).logsumexp(2) - math.log(told.shape[2])).unbind(1)
        second, first = log_prob_greater(one, other), log_prob_greater(other, one)
        lean = 2 * label - 1
        likelihood = lean.clamp(min=0) * _turned(second, first, noise) + (
            1 - lean.abs()
        ) * log_prob_equal(one, other)
        return -(likelihood + (-lean).clamp(min=0) * _turned(first, second, noise)).mean()

    def fit_normalization(self, frames: Tensor, text: Tensor) -> None:
        """Take the mean and the spread of rewards over frames (N, D): a Bradley-Terry reward has no
        zero of its own."""
        with torch.no_grad():
            rewards = self(frames, text)
            if rewards.shape[-1] == 1:
                self.middle.copy_(rewards.mean())
                self.spread.copy_(rewards.std().clamp(min=1e-6))

    def score(self, frames: Tensor, text: Tensor, risk: float) -> Tensor:
        """Scores (N,) in [0, 1]."""
        told = self(frames, text)
        if told.shape[-1] == 1:
            return functional.sigmoid((told[:, 0] - self.middle) / self.spread)
        return (expectation(told) - risk * standard_deviation(told)).clamp(0.0, 1.0)


def _turned(told: Tensor, other: Tensor, noise: float) -> Tensor:
    """Log probability of an answer of which a share is turned round, from those of both answers."""
    if noise == 0:
        return told
    return torch.logaddexp(told + math.log1p(-noise), other + math.log(noise))


def kl_divergence(mean: Tensor, spread: Tensor) -> Tensor:
    """Kullback-Leibler divergence of a diagonal Gaussian of a mean and a log variance from the
    standard one, with its half, a scalar of at least 0.

    >>> divergence(torch.zeros(3), torch.zeros(3)).item()
    0.0
    """
    return 0.5 * (spread.exp() + mean.square() - 1 - spread).sum()
