"""Adam (Kingma and Ba 2014, arXiv:1412.6980) of a network whose parameters lie in one vector."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from roborew.agents.torch_state import Arrays, from_tensors, join_parts, to_tensors
from roborew.storage.checkpoints import select_prefix

ALIGNMENT = 16
"""Numbers at whose multiples a parameter begins: torch allocates whole cache lines, and matrix
products may add up in another order elsewhere."""
BETA_1, BETA_2 = 0.9, 0.999


class FlatAdam:
    """`torch.optim.Adam` of a network, to the last bit, in a few calls rather than a few for each
    parameter.

    From then on the network's parameters are views of one vector, and their ``grad`` of another that is
    never replaced.

    Args:
        network: on its device.
        learning_rate: size of a step; may be set at any time.
        eps: added to the root of the second moment.
    """

    def __init__(self, network: nn.Module, learning_rate: float, eps: float) -> None:
        self.learning_rate = learning_rate
        self._eps = eps
        parameters = list(network.parameters())
        self._shapes = [parameter.shape for parameter in parameters]
        sizes = [-(-shape.numel() // ALIGNMENT) * ALIGNMENT for shape in self._shapes]
        self._starts = [0, *accumulate(sizes)]
        self._values = parameters[0].new_zeros(self._starts.pop()).detach()
        self._gradient = torch.zeros_like(self._values)
        self._mean = torch.zeros_like(self._values)
        self._square = torch.zeros_like(self._values)
        self._steps = 0
        self._gradients = self._views(self._gradient)
        values = self._views(self._values)
        for i, parameter in enumerate(parameters):
            parameter.data = values[i].copy_(parameter.detach())
            parameter.grad = self._gradients[i]

    def zero_grad(self) -> None:
        """Clear the gradients."""
        self._gradient.zero_()

    @torch.no_grad()
    def step(self, max_norm: float) -> None:
        """Go down the gradients, scaled down to ``max_norm`` where they are longer."""
        norm = torch.nn.utils.get_total_norm(self._gradients)
        scale = max_norm / (norm + 1e-6)
        self._gradient.mul_(scale.clamp_(max=1.0))
        self._steps += 1
        self._mean.lerp_(self._gradient, 1 - BETA_1)
        self._square.mul_(BETA_2).addcmul_(self._gradient, self._gradient, value=1 - BETA_2)
        # Both moments began at zero, which their means forget by these factors.
        mean_weight = 1 - BETA_1**self._steps
        square_weight = 1 - BETA_2**self._steps
        divisor = self._square.sqrt().div_(square_weight**0.5).add_(self._eps)
        self._values.addcdiv_(self._mean, divisor, value=-self.learning_rate / mean_weight)

    def state_dict(self) -> Arrays:
        """Return the moments as `torch_state.from_optimizer` does, nothing before the first step."""
        if self._steps == 0:
            return {}
        moments = zip(self._views(self._mean), self._views(self._square), strict=True)
        parts = {
            str(i): from_tensors(
                {"step": torch.tensor(float(self._steps)), "exp_avg": mean, "exp_avg_sq": square}
            )
            for i, (mean, square) in enumerate(moments)
        }
        return join_parts(parts)

    def load_state_dict(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `state_dict` returned, or what `torch.optim.Adam` had."""
        self._steps = 0
        self._mean.zero_()
        self._square.zero_()
        moments = zip(self._views(self._mean), self._views(self._square), strict=True)
        for i, (mean, square) in enumerate(moments):
            state = to_tensors(select_prefix(arrays, f"{i}/"))
            if state:
                self._steps = int(state["step"])
                mean.copy_(state["exp_avg"])
                square.copy_(state["exp_avg_sq"])

    def _views(self, flat: Tensor) -> list[Tensor]:
        """The part of a vector that is each parameter's, in its shape."""
        pairs = zip(self._starts, self._shapes, strict=True)
        return [flat[start : start + shape.numel()].view(shape) for start, shape in pairs]
