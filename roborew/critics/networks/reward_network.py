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

TRIPLET_MARGIN = 0.2
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
        segments = self.frame(pieces).mean(2)
        first, second = segments.unbind(1)
        sign = 2 * label[:, None] - 1
        towards_better = sign * (second - first)
        user = self.reader(towards_better).mean(0)
        mean, spread = user.chunk(2)
        return mean, spread.clamp(-8, 4)

    def triplet_loss(self, frames: Tensor, text: Tensor) -> Tensor:
        """SIRL's loss (arXiv:2301.00810) of triples (N, 3, length, D) whose second piece is more
        like the first than
        the third is: in both orders, the like pair is nearer than either is to the third."""
        segments = self.embed(frames, text).mean(2)
        anchor, similar, unlike = segments.unbind(1)
        near = _mean_squared(anchor - similar)
        from_anchor = near - _mean_squared(anchor - unlike)
        from_similar = near - _mean_squared(similar - unlike)
        gaps = torch.stack([from_anchor, from_similar])
        losses = (gaps + TRIPLET_MARGIN).clamp(min=0)
        return losses.mean()

    def loss(self, outputs: Tensor, label: Tensor, noise: float) -> Tensor:
        """Return the loss of outputs (B, 2, length, outputs) for labels (B,) in [0, 1], of which a
        share ``noise`` was turned round.

        Bradley-Terry, one output: ``P(2 > 1) = (1 - 2 noise) sigma(R2 - R1) + noise`` with R the sum
        over a segment; ``L = -(y log P(2 > 1) + (1 - y) log P(1 > 2)) + 0.001 mean(r^2)``.
        Ordinal, several: ``L = -(max(2 y - 1, 0) log P(2 > 1) + max(1 - 2 y, 0) log P(1 > 2)
        + (1 - |2 y - 1|) log P(1 = 2))``, each segment having the mean distribution of its frames.
        """
        if outputs.shape[-1] == 1:
            return _bradley_terry_loss(outputs[..., 0], label, noise)
        return _ordinal_loss(outputs, label, noise)

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
        outputs = self(frames, text)
        if outputs.shape[-1] == 1:
            logits = (outputs[:, 0] - self.middle) / self.spread
            return functional.sigmoid(logits)
        mean = expectation(outputs)
        score = mean - risk * standard_deviation(outputs)
        return score.clamp(0.0, 1.0)


def _bradley_terry_loss(rewards: Tensor, label: Tensor, noise: float) -> Tensor:
    """Loss of rewards (B, 2, length); a Bradley-Terry reward is free up to a constant, which the
    square holds near 0."""
    returns = rewards.sum(-1)
    first, second = returns.unbind(1)
    gap = second - first
    log_second = functional.logsigmoid(gap)
    log_first = functional.logsigmoid(-gap)
    for_second = label * _with_noise(log_second, log_first, noise)
    for_first = (1 - label) * _with_noise(log_first, log_second, noise)
    penalty = 1e-3 * rewards.square().mean()
    log_likelihood = for_second + for_first
    return penalty - log_likelihood.mean()


def _mean_squared(difference: Tensor) -> Tensor:
    return difference.square().mean(-1)


def _ordinal_loss(logits: Tensor, label: Tensor, noise: float) -> Tensor:
    """Loss of logits of grades (B, 2, length, bins)."""
    # The mean of a segment's distributions, in logarithms.
    log_probs = logits.log_softmax(-1)
    log_length = math.log(logits.shape[2])
    log_mean = log_probs.logsumexp(2) - log_length
    first, second = log_mean.unbind(1)
    log_second = log_prob_greater(first, second)
    log_first = log_prob_greater(second, first)
    # How far the label is from a tie, and to which side.
    lean = 2 * label - 1
    for_second = lean.clamp(min=0) * _with_noise(log_second, log_first, noise)
    for_tie = (1 - lean.abs()) * log_prob_equal(first, second)
    for_first = (-lean).clamp(min=0) * _with_noise(log_first, log_second, noise)
    log_likelihood = for_second + for_tie + for_first
    return -log_likelihood.mean()


def _with_noise(log_prob: Tensor, log_opposite: Tensor, noise: float) -> Tensor:
    """Log probability of an answer of which a share is turned round, from those of both answers."""
    if noise == 0:
        return log_prob
    return torch.logaddexp(log_prob + math.log1p(-noise), log_opposite + math.log(noise))


def kl_divergence(mean: Tensor, spread: Tensor) -> Tensor:
    """Kullback-Leibler divergence of a diagonal Gaussian of a mean and a log variance from the
    standard one, with its half, a scalar of at least 0.

    >>> kl_divergence(torch.zeros(3), torch.zeros(3)).item()
    0.0
    """
    return 0.5 * (spread.exp() + mean.square() - 1 - spread).sum()
