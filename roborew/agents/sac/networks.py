"""The networks of soft actor-critic, layer-normalized: without it, values of actions that nobody
tried run away once demonstrations stand in the replay (RLPD, arXiv:2302.02948, section 4.2)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

MIN_LOG_STD, MAX_LOG_STD = -5.0, 2.0
"""Bounds of the policy's log standard deviation."""


class Actor(nn.Module):
    """A Gaussian policy, squashed into [-1, 1] by tanh (arXiv:1801.01290, appendix C)."""

    def __init__(self, observation_dim: int, action_dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(observation_dim, hidden_dim),
            nn.LayerNorm(hidden_dim),
            nn.ReLU(),
            nn.Linear(hidden_dim, hidden_dim),
            nn.LayerNorm(hidden_dim),
            nn.ReLU(),
        )
        self.head = nn.Linear(hidden_dim, 2 * action_dim)

    def forward(self, observations: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log standard deviation before tanh, each (B, A), of observations (B, D)."""
        mean, unbounded = self.head(self.body(observations)).chunk(2, dim=-1)
        # Scaled by tanh: a clamp has no gradient outside, and what went there would stay.
        unit = (torch.tanh(unbounded) + 1) / 2
        return mean, MIN_LOG_STD + unit * (MAX_LOG_STD - MIN_LOG_STD)

    def sample(self, observations: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Return actions (B, A) in [-1, 1] and their log density (B,), from standard normal noise
        (B, A)."""
        mean, log_std = self(observations)
        before = mean + log_std.exp() * noise
        log_normal = -0.5 * noise.square() - log_std - 0.5 * math.log(2 * math.pi)
        # log(1 - tanh(x)^2), in the form that does not overflow.
        log_slope = 2 * (math.log(2) - before - functional.softplus(-2 * before))
        return torch.tanh(before), (log_normal - log_slope).sum(dim=-1)


class QEnsemble(nn.Module):
    """Several action values of one shape; their layers are stacked, so that one matrix product
    serves all of them."""

    def __init__(
        self, observation_dim: int, action_dim: int, hidden_dim: int, num_members: int
    ) -> None:
        super().__init__()
        inputs = observation_dim + action_dim
        self.first = _stacked(num_members, inputs, hidden_dim)
        self.first_bias = nn.Parameter(torch.zeros(num_members, 1, hidden_dim))
        self.first_norm = _StackedLayerNorm(num_members, hidden_dim)
        self.second = _stacked(num_members, hidden_dim, hidden_dim)
        self.second_bias = nn.Parameter(torch.zeros(num_members, 1, hidden_dim))
        self.second_norm = _StackedLayerNorm(num_members, hidden_dim)
        self.last = _stacked(num_members, hidden_dim, 1)
        self.last_bias = nn.Parameter(torch.zeros(num_members, 1, 1))
        self.num_members = num_members

    def forward(self, observations: Tensor, actions: Tensor) -> Tensor:
        """Return values, shape (members, B), of observations (B, D) and actions (B, A)."""
        inputs = torch.cat([observations, actions], dim=-1)
        inputs = inputs.expand(self.num_members, -1, -1)
        hidden = torch.baddbmm(self.first_bias, inputs, self.first)
        hidden = functional.relu(self.first_norm(hidden))
        hidden = torch.baddbmm(self.second_bias, hidden, self.second)
        hidden = functional.relu(self.second_norm(hidden))
        return torch.baddbmm(self.last_bias, hidden, self.last).squeeze(-1)


class _StackedLayerNorm(nn.Module):
    """A layer normalization for each member, of what has shape (members, B, H)."""

    def __init__(self, num_members: int, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(num_members, 1, size))
        self.bias = nn.Parameter(torch.zeros(num_members, 1, size))

    def forward(self, hidden: Tensor) -> Tensor:
        normalized = functional.layer_norm(hidden, hidden.shape[-1:])
        return torch.addcmul(self.bias, normalized, self.weight)


def _stacked(num_members: int, inputs: int, outputs: int) -> nn.Parameter:
    """Weights of one layer of every member, shape (members, inputs, outputs), drawn as those of
    `torch.nn.Linear`."""
    bound = 1 / math.sqrt(inputs)
    return nn.Parameter(torch.empty(num_members, inputs, outputs).uniform_(-bound, bound))
