"""The actor and the critic: two tanh networks of one shape, computed side by side."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def _orthogonal(rows: int, columns: int, gain: float, generator: torch.Generator) -> Tensor:
    weight = torch.empty(rows, columns)
    nn.init.orthogonal_(weight, gain, generator=generator)
    return weight


class ActorCritic(nn.Module):
    """A Gaussian policy and a value function, each with two tanh layers.

    Both networks share their shape, never a weight: their layers are stacked, so that one matrix
    product serves both. On a CPU the count of operations, not their size, sets the pace of an
    update.
    """

    def __init__(
        self, inputs: int, actions: int, width: int, initial_std: float, generator: torch.Generator
    ) -> None:
        super().__init__()
        gain = math.sqrt(2)
        first = [_orthogonal(inputs, width, gain, generator) for _ in range(2)]
        second = [_orthogonal(width, width, gain, generator) for _ in range(2)]
        self.first = nn.Parameter(torch.cat(first, dim=1))
        self.first_bias = nn.Parameter(torch.zeros(2 * width))
        self.second = nn.Parameter(torch.stack(second))
        self.second_bias = nn.Parameter(torch.zeros(2, 1, width))
        self.actor = nn.Parameter(_orthogonal(width, actions, 0.01, generator))
        self.actor_bias = nn.Parameter(torch.zeros(actions))
        self.critic = nn.Parameter(_orthogonal(width, 1, 1.0, generator))
        self.critic_bias = nn.Parameter(torch.zeros(1))
        self.log_std = nn.Parameter(torch.full((actions,), math.log(initial_std)))
        self._width = width

    def forward(self, observations: Tensor) -> tuple[Tensor, Tensor]:
        """Return the policy's mean, shape (B, A), and the value, shape (B,), of observations of
        shape (B, D)."""
        hidden = torch.tanh(torch.addmm(self.first_bias, observations, self.first))
        hidden = hidden.view(-1, 2, self._width).transpose(0, 1)
        hidden = torch.tanh(torch.baddbmm(self.second_bias, hidden, self.second))
        mean = torch.addmm(self.actor_bias, hidden[0], self.actor)
        value = torch.addmm(self.critic_bias, hidden[1], self.critic)
        return mean, value.squeeze(1)

    def log_probability(self, mean: Tensor, actions: Tensor) -> Tensor:
        """Return the log density of actions (B, A) under the Gaussian with this mean (B, A), shape
        (B,)."""
        standard = (actions - mean) * torch.exp(-self.log_std)
        constant = self.log_std.sum() + 0.5 * math.log(2 * math.pi) * self.log_std.numel()
        return -0.5 * standard.square().sum(dim=1) - constant

    def entropy(self) -> Tensor:
        """Return the entropy of the policy [nats], the same in every state."""
        return self.log_std.sum() + 0.5 * math.log(2 * math.pi * math.e) * self.log_std.numel()
