"""Gradient descent as every critic does it: seeded weights, AdamW, one cycle of the rate, clipped
gradients."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn


@contextmanager
def seeded_weights(seed: int) -> Generator[None]:
    """Modules made in the block get the same weights for the same seed; torch's own generator is
    left as it was."""
    untyped = cast(Any, torch)
    with untyped.random.fork_rng(devices=[]):
        untyped.manual_seed(seed)
        yield


class GradientDescent:
    """A fixed number of gradient steps over parameters.

    Args:
        parameters: what is fitted.
        steps: how many steps will be made.
        rate: highest learning rate; it rises over the first tenth and falls to zero (one cycle,
            Smith 2018, arXiv:1708.07120).
        decay: decoupled weight decay.
        clip: largest norm of the gradient.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        steps: int,
        rate: float = 1e-3,
        decay: float = 1e-4,
        clip: float = 1.0,
    ) -> None:
        self._parameters = list(parameters)
        self._clip = clip
        self._optimizer: Any = torch.optim.AdamW(self._parameters, lr=rate, weight_decay=decay)
        # A cycle of one step has no length: torch divides by it.
        total_steps = max(2, steps)
        # Nor has a rise that ends with the first step, as a tenth of ten steps would.
        rise = 0.1 if 0.1 * total_steps != 1 else 0.2
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(
            self._optimizer, rate, total_steps=total_steps, pct_start=rise
        )

    def step(self, loss: Tensor) -> float:
        """Go one step down; returns the loss."""
        self._optimizer.zero_grad(set_to_none=True)
        cast(Any, loss).backward()
        torch.nn.utils.clip_grad_norm_(self._parameters, self._clip)
        self._optimizer.step()
        self._schedule.step()
        return float(loss.detach())
