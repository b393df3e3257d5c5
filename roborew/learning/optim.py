"""Gradient descent as every critic does it: seeded weights, AdamW, one cycle of the rate, clipped
gradients."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from roborew.errors import CorruptFileError
from roborew.storage.checkpoints import under


def module_state(module: nn.Module, prefix: str = "") -> dict[str, NDArray[Any]]:
    """Every parameter and buffer, by name."""
    return {
        prefix + name: value.detach().cpu().numpy() for name, value in module.state_dict().items()
    }


def load_module_state(
    module: nn.Module, arrays: Mapping[str, NDArray[Any]], what: str, prefix: str = ""
) -> None:
    """Copy arrays into a module.

    Raises:
        CorruptFileError: a name, shape or dtype does not fit exactly.
    """
    wanted = module.state_dict()
    given = under(arrays, prefix)
    wrong = sorted(wanted.keys() ^ given.keys())
    wrong += [
        name
        for name in sorted(wanted.keys() & given.keys())
        if given[name].shape != tuple(wanted[name].shape)
        or given[name].dtype != wanted[name].cpu().numpy().dtype
    ]
    if wrong:
        raise CorruptFileError(
            f"{what}: the saved arrays do not fit this network: {', '.join(wrong[:4])}."
        )
    module.load_state_dict(
        {name: torch.as_tensor(np.array(array)) for name, array in given.items()}, strict=True
    )


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
        self._parameters, self._clip = list(parameters), clip
        self._optimiser: Any = torch.optim.AdamW(self._parameters, lr=rate, weight_decay=decay)
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(
            self._optimiser, rate, total_steps=max(2, steps), pct_start=0.1
        )

    def step(self, loss: Tensor) -> float:
        """Go one step down; returns the loss."""
        self._optimiser.zero_grad(set_to_none=True)
        cast(Any, loss).backward()
        torch.nn.utils.clip_grad_norm_(self._parameters, self._clip)
        self._optimiser.step()
        self._schedule.step()
        return float(loss.detach())
