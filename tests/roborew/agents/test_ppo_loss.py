"""Gradients of PPO's loss by hand are those of autograd, and one vector's Adam is torch's."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from roborew.agents.flat_adam import FlatAdam
from roborew.agents.network import PolicyValueNetwork
from roborew.agents.ppo_config import PPOConfig
from roborew.agents.ppo_loss import write_gradients
from roborew.agents.rollout_buffer import Samples
from roborew.agents.torch_state import from_optimizer


class EncodingNetwork(PolicyValueNetwork):
    """Reads what a layer of its own makes of observations, as one of pictures does."""

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__(7, 3, 16, 0.6, generator)
        self.features = nn.Sequential(nn.Linear(5, 7), nn.ReLU())

    def inputs(self, observations: Tensor) -> Tensor:
        return self.features(observations)


def make_network(kind: str) -> PolicyValueNetwork:
    generator = torch.Generator().manual_seed(3)
    if kind == "pictures":
        return EncodingNetwork(generator)
    return PolicyValueNetwork(5, 3, 16, 0.6, generator)


def autograd_loss(network: PolicyValueNetwork, batch: Samples, config: PPOConfig) -> Tensor:
    """Equation 9 as the paper has it."""
    mean, values = network(batch.observations)
    density = torch.distributions.Normal(mean, network.log_std.exp())
    ratio = (density.log_prob(batch.actions).sum(1) - batch.log_prob).exp()
    clipped = ratio.clamp(1 - config.clip_range, 1 + config.clip_range)
    objective = torch.minimum(ratio * batch.advantages, clipped * batch.advantages)
    errors = nn.functional.mse_loss(values, batch.returns)
    entropy = density.entropy()[0].sum()
    return -objective.mean() + config.vf_coef * errors - config.ent_coef * entropy


@pytest.mark.parametrize("kind", ["state", "pictures"])
def test_gradients_by_hand_are_those_of_autograd(kind: str) -> None:
    network = make_network(kind).double()
    config = PPOConfig(vf_coef=0.7, ent_coef=0.3)
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    observations, actions = draw(50, 5), draw(50, 3)
    with torch.no_grad():
        densities = network.log_prob(network(observations)[0], actions)
    # A ratio far from 1 either way, so that both clips cut some and leave some.
    batch = Samples(observations, actions, densities + 0.4 * draw(50), draw(50), draw(50))
    torch.autograd.backward(autograd_loss(network, batch, config))
    expected = [parameter.grad for parameter in network.parameters()]
    optimizer = FlatAdam(network, 1e-3, 1e-5)
    optimizer.zero_grad()
    losses = write_gradients(network, batch, config)
    clipped = (losses.ratio - 1).abs() > config.clip_range
    assert 10 < clipped.sum() < 40
    for parameter, gradient in zip(network.parameters(), expected, strict=True):
        assert gradient is not None and gradient.abs().max() > 0
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("max_norm", [1e-2, 1e3])
def test_one_vectors_adam_is_torchs_to_the_last_bit(max_norm: float) -> None:
    """Its state, too, at any step: a checkpoint of either goes on in the other."""
    flat_network, network = make_network("pictures"), make_network("pictures")
    network.load_state_dict(flat_network.state_dict())
    flat = FlatAdam(flat_network, 1e-3, 1e-5)
    adam = torch.optim.Adam(network.parameters(), lr=1e-3, eps=1e-5)
    generator = torch.Generator().manual_seed(0)
    for step in range(6):
        flat.learning_rate = adam.param_groups[0]["lr"] = 1e-3 / (1 + step)
        for one, two in zip(flat_network.parameters(), network.parameters(), strict=True):
            assert one.grad is not None
            one.grad.copy_(torch.randn(one.shape, generator=generator))
            two.grad = one.grad.clone()
        torch.nn.utils.clip_grad_norm_(network.parameters(), max_norm)
        cast(Any, adam).step()
        flat.step(max_norm)
        for one, two in zip(flat_network.parameters(), network.parameters(), strict=True):
            assert torch.equal(one, two)
        expected = from_optimizer(adam)
        assert expected.keys() == flat.state_dict().keys()
        for name, array in flat.state_dict().items():
            np.testing.assert_array_equal(array, expected[name], err_msg=name)
        # From here on as one that was read back.
        flat = FlatAdam(flat_network, 1e-3, 1e-5)
        flat.load_state_dict(expected)
