"""The policy and the value function: two tanh networks of one shape, computed side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

RENAMED_PARAMETERS = {
    "actor": "policy",
    "actor_bias": "policy_bias",
    "critic": "value",
    "critic_bias": "value_bias",
}
"""Names in checkpoints of the release before -> today's."""


@dataclass(frozen=True, slots=True)
class Trace:
    """What a network computed on its way.

    Attributes:
        inputs: shape (B, D), of the first layer.
        first: shape (B, 2 * H), behind the first layer's tanh; the policy's half comes first.
        second: shape (2, B, H), behind the second layer's.
    """

    inputs: Tensor
    first: Tensor
    second: Tensor


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
        mean, value, _ = self.trace(self.inputs(observations))
        return mean, value

    def inputs(self, observations: Tensor) -> Tensor:
        """Return what the first layer reads of observations."""
        return observations

    def trace(self, inputs: Tensor) -> tuple[Tensor, Tensor, Trace]:
        """Return what `forward` does, of `inputs`, and what `backward` needs."""
        first = torch.addmm(self.first_bias, inputs, self.first).tanh_()
        second = torch.baddbmm(self.second_bias, self._halves(first), self.second).tanh_()
        mean = torch.addmm(self.policy_bias, second[0], self.policy)
        value = torch.addmm(self.value_bias, second[1], self.value)
        return mean, value.squeeze(1), Trace(inputs, first, second)

    @torch.no_grad()
    def backward(self, trace: Trace, of_mean: Tensor, of_value: Tensor) -> None:
        """Write a loss's gradients into the ``grad`` of every weight; what made the inputs learns by
        autograd.

        The chain rule by hand: autograd's bookkeeping takes longer than the products of matrices.

        Args:
            trace: of a call of `trace`.
            of_mean: the loss's gradient of that call's mean, shape (B, A).
            of_value: of its value, shape (B,).
        """
        of_value = of_value.unsqueeze(1)
        of_second = torch.empty_like(trace.second)
        torch.mm(of_mean, self.policy.t(), out=of_second[0])
        torch.mm(of_value, self.value.t(), out=of_second[1])
        _tanh_backward_(of_second, trace.second)
        of_first = torch.empty_like(trace.first)
        of_halves = self._halves(of_first)
        torch.bmm(of_second, self.second.transpose(1, 2), out=of_halves)
        _tanh_backward_(of_first, trace.first)
        torch.mm(trace.second[0].t(), of_mean, out=self.policy.grad)
        torch.mm(trace.second[1].t(), of_value, out=self.value.grad)
        halves = self._halves(trace.first)
        torch.bmm(halves.transpose(1, 2), of_second, out=self.second.grad)
        torch.mm(trace.inputs.t(), of_first, out=self.first.grad)
        torch.sum(of_mean, 0, out=self.policy_bias.grad)
        torch.sum(of_value, 0, out=self.value_bias.grad)
        torch.sum(of_second, 1, keepdim=True, out=self.second_bias.grad)
        torch.sum(of_first, 0, out=self.first_bias.grad)
        if trace.inputs.requires_grad:
            torch.autograd.backward(trace.inputs, torch.mm(of_first, self.first.t()))

    def log_prob(self, mean: Tensor, actions: Tensor) -> Tensor:
        """Return the log density of actions (B, A) under the Gaussian with this mean (B, A), shape
        (B,)."""
        standardized = (actions - mean) * torch.exp(-self.log_std)
        log_normalizer = 0.5 * math.log(2 * math.pi) * self.log_std.numel()
        log_normalizer = self.log_std.sum() + log_normalizer
        return -0.5 * standardized.square().sum(dim=1) - log_normalizer

    @torch.no_grad()
    def policy_backward(
        self, mean: Tensor, actions: Tensor, weights: Tensor, entropy_weight: float
    ) -> Tensor:
        """Return the gradient of the mean, shape (B, A), and write that of ``log_std``, of ``sum_i
        weights_i log_prob_i + entropy_weight entropy``; weights have shape (B,)."""
        inverse_std = torch.exp(-self.log_std)
        deviation = actions - mean
        pull = weights.unsqueeze(1) * (deviation * inverse_std)
        assert self.log_std.grad is not None
        self.log_std.grad.fill_(entropy_weight).sub_(weights.sum())
        self.log_std.grad.add_((pull * deviation).sum(dim=0) * inverse_std)
        return pull.mul_(inverse_std)

    def entropy(self) -> Tensor:
        """Return the entropy of the policy [nats], the same in every state."""
        of_unit_std = 0.5 * math.log(2 * math.pi * math.e) * self.log_std.numel()
        return self.log_std.sum() + of_unit_std

    def _halves(self, first: Tensor) -> Tensor:
        """(B, 2 * H) -> (2, B, H): those of policy and value function."""
        return first.view(-1, 2, self._hidden_dim).transpose(0, 1)


def current_parameters(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a network's tensors under today's names."""
    return {RENAMED_PARAMETERS.get(name, name): tensor for name, tensor in tensors.items()}


def _tanh_backward_(gradient: Tensor, tanh: Tensor) -> None:
    """Make of the gradient of a tanh that of what it was computed of."""
    torch.ops.aten.tanh_backward.grad_input(gradient, tanh, grad_input=gradient)


def _orthogonal(shape: tuple[int, int], gain: float, generator: torch.Generator) -> Tensor:
    weight = torch.empty(shape)
    nn.init.orthogonal_(weight, gain, generator=generator)
    return weight
