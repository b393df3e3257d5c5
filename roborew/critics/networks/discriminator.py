"""Networks that tell the steps of experts from others', and how steep a step is (GAIL, AIRL, Blondé et
al., arXiv:2006.16785)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

MAX_STEP_SLOPE = 9.0
"""Slope of the learned step beyond which a score is discounted (k of Blondé et al.)."""


SQUARED_SLOPE_FLOOR = 1e-12
"""The square root has no gradient at 0."""


@dataclass(frozen=True, slots=True)
class Transitions:
    """Steps from one frame to the next.

    Attributes:
        before: shape (N, D).
        after: shape (N, D).
        text: shape (N, E).
    """

    before: Tensor
    after: Tensor
    text: Tensor


class Discriminator(nn.Module):
    """Logits that a step is a success's; and, apart from it, a model of the step for
    `preconditioning`."""

    steepness: Tensor

    def __init__(
        self,
        feature_dim: int,
        text_dim: int,
        hidden_dim: int,
        airl: bool,
        spectral_norm: bool,
        gamma: float,
    ) -> None:
        super().__init__()
        state_dim = feature_dim + text_dim
        # AIRL's reward reads the state alone: only that is disentangled from the dynamics.
        reward_dim = state_dim if airl else feature_dim + state_dim
        self.judge = _mlp(reward_dim, hidden_dim, 1, spectral_norm)
        self.shaping = None
        if airl:
            self.shaping = _mlp(state_dim, hidden_dim, 1, spectral_norm)

        # Without the bound: it is fitted to frames, which may move fast.
        self.step = _mlp(state_dim, hidden_dim, feature_dim)
        self.gamma = gamma
        self.register_buffer("steepness", torch.ones(()))

    def forward(self, before: Tensor, after: Tensor, text: Tensor) -> Tensor:
        """Logits (N,) of steps (N, D) to (N, D) under sentences (N, E); AIRL adds the difference of
        its potentials."""
        reward = self.reward(before, after, text)
        if self.shaping is None:
            return reward

        state_before = torch.cat([before, text], dim=1)
        state_after = torch.cat([after, text], dim=1)
        potential_before = self.shaping(state_before)[:, 0]
        potential_after = self.shaping(state_after)[:, 0]
        return reward + self.gamma * potential_after - potential_before

    def reward(self, before: Tensor, after: Tensor, text: Tensor) -> Tensor:
        """GAIL's logit, or AIRL's without its potentials, which reads the new frame alone, (N,)."""
        inputs = [before, after, text]
        if self.shaping is not None:
            inputs = [after, text]
        logits = self.judge(torch.cat(inputs, dim=1))
        return logits[:, 0]

    def step_slope(self, before: Tensor, text: Tensor) -> Tensor:
        """Norm (Frobenius) of the Jacobian of the next frame by the frame, (N,): how steep a step
        is.

        Of two layers W, V with g the slopes of the activations between them, J = V diag(g) W, so
        that ``|J|^2 = g' (V'V * WW') g`` without any J.
        """
        first, last = cast("tuple[nn.Linear, nn.Linear]", (self.step[0], self.step[2]))
        feature_dim = before.shape[1]
        with torch.no_grad():
            hidden = first(torch.cat([before, text], dim=1))
            slopes = _gelu_slope(hidden)

            # The sentence does not change within an episode: its columns are left out.
            frame_weights = first.weight[:, :feature_dim]
            inner = frame_weights @ frame_weights.T
            outer = last.weight.T @ last.weight

            squares = ((slopes @ (outer * inner)) * slopes).sum(1)
            return squares.clamp(min=0.0).sqrt()

    def fit_slope_scale(self, frames: Tensor, text: Tensor) -> None:
        """Take how much the excess of steps from frames (N, D) differs, if any is steep."""
        excess = excess_slope(self.step_slope(frames, text))
        scale = excess.std(correction=0)
        # Where no step is steep all factors are 1, whatever the scale.
        self.steepness.copy_(scale if scale > 0 else torch.ones(()))


def slope_penalty(
    network: Discriminator, expert: Transitions, policy: Transitions, rng: np.random.Generator
) -> Tensor:
    """Mean squared excess over 1 of the discriminator's slope, on the way from successes' steps to
    the others'."""
    share = torch.as_tensor(rng.random((len(expert.before), 1)), dtype=torch.float32)
    before = _interpolate(expert.before, policy.before, share)
    after = _interpolate(expert.after, policy.after, share)
    text = _interpolate(expert.text, policy.text, share)
    gradients = torch.autograd.grad(
        network(before, after, text).sum(),
        [before, after],
        create_graph=True,
        allow_unused=True,
    )

    squares: list[Tensor] = []
    for gradient in gradients:
        # What is not read has no gradient; torch's types do not say so.
        if cast(Any, gradient) is not None:
            squares.append(gradient.square().sum(1))

    slope = (torch.stack(squares).sum(0) + SQUARED_SLOPE_FLOOR).sqrt()
    # One-sided: a flat discriminator is no harm, a steep one gives rewards that leap.
    excess = (slope - 1).clamp(min=0.0)
    return excess.square().mean()


def excess_slope(slope: Tensor) -> Tensor:
    """By how much steps of slopes (N,) are steeper than `MAX_STEP_SLOPE`, squared."""
    return (slope - MAX_STEP_SLOPE).clamp(min=0.0).square()


def preconditioning(excess: Tensor, scale: float, min_factor: float) -> Tensor:
    """Factors in [min_factor, 1] that fall where a step is too steep, as there a small error moves
    far: PURPLE's ``exp(-GP / std)`` (Blondé et al., section 6).

    Args:
        excess: `excess_slope` of each step, shape (N,).
        scale: its standard deviation over the steps that were learned from.
        min_factor: no factor is smaller.
    """
    return (-excess / scale).exp().clamp(min=min_factor)


def _interpolate(first: Tensor, second: Tensor, share: Tensor) -> Tensor:
    """Rows between two, (N, D), of which the gradient is asked."""
    # One share for a whole row, so that what lies between stays near what can be seen.
    mixed = share * first + (1 - share) * second
    return mixed.detach().requires_grad_(True)


def _gelu_slope(inputs: Tensor) -> Tensor:
    """Derivative of GELU, ``Phi(x) + x phi(x)`` with the normal distribution and its density."""
    exponential = (-inputs.square() / 2).exp()
    density = exponential / math.sqrt(2 * math.pi)

    scaled = inputs / math.sqrt(2)
    distribution = (1 + torch.erf(scaled)) / 2
    return distribution + inputs * density


def _mlp(
    input_dim: int, hidden_dim: int, output_dim: int, spectral_norm: bool = False
) -> nn.Sequential:
    """Two layers; with ``spectral_norm`` the slope of each is bounded by 1."""
    return nn.Sequential(
        _linear(input_dim, hidden_dim, spectral_norm),
        nn.GELU(),
        _linear(hidden_dim, output_dim, spectral_norm),
    )


def _linear(input_dim: int, output_dim: int, spectral_norm: bool) -> nn.Module:
    """One layer."""
    layer = nn.Linear(input_dim, output_dim)
    if spectral_norm:
        return parametrizations.spectral_norm(layer)
    return layer
