"""Gradient descent: any number of steps is a cycle of the learning rate."""

from __future__ import annotations

import pytest
import torch

from roborew.learning.optim import GradientDescent


@pytest.mark.parametrize("steps", range(1, 41))
def test_any_number_of_steps_can_be_made(steps: int) -> None:
    weight = torch.nn.Parameter(torch.ones(2))
    descent = GradientDescent([weight], steps)
    losses = [descent.step(weight.square().sum()) for _ in range(steps)]
    assert torch.isfinite(weight).all()
    assert losses == sorted(losses, reverse=True)
