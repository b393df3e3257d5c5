"""The policy and the value function: two tanh networks of one shape, computed side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

RENAMED_PARAMETERS = {
    "actor": "policy",
    "actor_bias": "policy_bias",
    "critic": "value",
    "critic_bias": "value_bias",
}
"""Names in checkpoints of the release before -> today's."""


class PolicyValueNetwork(nn.Module):
    """A Gaussian policy and a value function, each with two tanh layers.

    Both share their shape, never a weight: their layers are stacked, so that one matrix product
    serves both. On a CPU the count of operations, not their size, sets the pace of an update.
    """

    def __init__(
        self,
        observation_dim: int,
        action_dim: int,
        hidden_dim: int,
        initial_std: float,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        # The gain that keeps the variance of tanh layers; the policy begins near its mean of 0.
        gain = math.sqrt(2)
        first_shape = (observation_dim, hidden_dim)
        first = [_orthogonal(first_shape, gain, generator) for _ in range(2)]
        second = [_orthogonal((hidden_dim, hidden_dim), gain, generator) for _ in range(2)]
        policy = _orthogonal((hidden_dim, action_dim), 0.01, generator)
        value = _orthogonal((hidden_dim, 1), 1.0, generator)
        self.first = nn.Parameter(torch.cat(first, dim=1))
        self.first_bias = nn.Parameter(torch.zeros(2 * hidden_dim))
        self.second = nn.Parameter(torch.stack(second))
        self.second_bias = nn.Parameter(torch.zeros(2, 1, hidden_dim))
        self.policy = nn.Parameter(policy)
        self.policy_bias = nn.Parameter(torch.zeros(action_dim))
        self.value = nn.Parameter(value)
        self.value_bias = nn.Parameter(torch.zeros(1))
        # The logarithm, so that no gradient step can make a standard deviation negative.
        self.log_std = nn.Parameter(torch.full((action_dim,), math.log(initial_std)))
        self._hidden_dim = hidden_dim

    def forward(self, observations: Tensor) -> tuple[Tensor, Tensor]:
        """Return the policy's mean, shape (B, A), and the value, shape (B,), of observations of
        shape (B, D)."""
        hidden = torch.addmm(self.first_bias, observations, self.first)
        hidden = torch.tanh(hidden)
        # (B, 2 * H) -> (2, B, H): the halves of policy and value function.
        hidden = hidden.view(-1, 2, self._hidden_dim).transpose(0, 1)
        hidden = torch.baddbmm(self.second_bias, hidden, self.second)
        hidden = torch.tanh(hidden)
        mean = torch.addmm(self.policy_bias, hidden[0], self.policy)
        value = torch.addmm(self.value_bias, hidden[1], self.value)
        return mean, value.squeeze(1)

    def log_prob(self, mean: Tensor, actions: Tensor) -> Tensor:
        """Return the log density of actions (B, A) under the Gaussian with this mean (B, A), shape
        (B,)."""
        standardized = (actions - mean) * torch.exp(-self.log_std)
        log_normalizer = 0.5 * math.log(2 * math.pi) * self.log_std.numel()
        log_normalizer = self.log_std.sum() + log_normalizer
        return -0.5 * standardized.square().sum(dim=1) - log_normalizer

    def entropy(self) -> Tensor:
        """Return the entropy of the policy [nats], the same in every state."""
        of_unit_std = 0.5 * math.log(2 * math.pi * math.e) * self.log_std.numel()
        return self.log_std.sum() + of_unit_std


def current_parameters(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a network's tensors under today's names."""
    return {RENAMED_PARAMETERS.get(name, name): tensor for name, tensor in tensors.items()}


def _orthogonal(shape: tuple[int, int], gain: float, generator: torch.Generator) -> Tensor:
    weight = torch.empty(shape)
    nn.init.orthogonal_(weight, gain, generator=generator)
    return weight
