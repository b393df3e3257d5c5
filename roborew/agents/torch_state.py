"""Networks and optimisers as named arrays, the form in which a checkpoint holds them; no pickle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Arrays = dict[str, NDArray[Any]]


def from_tensors(tensors: Mapping[str, Tensor]) -> Arrays:
    """Return copies of a network's tensors."""
    return {key: value.detach().cpu().numpy().copy() for key, value in tensors.items()}


def to_tensors(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Tensor]:
    """Return copies of the arrays as tensors."""
    return {key: torch.as_tensor(np.array(value)) for key, value in arrays.items()}


def from_optimizer(optimiser: torch.optim.Optimizer) -> Arrays:
    """Return the moments that an optimiser keeps of each parameter, named ``index/moment``."""
    moments = cast(dict[int, dict[str, Tensor]], optimiser.state_dict()["state"])
    return {
        f"{index}/{key}": value
        for index, kept in moments.items()
        for key, value in from_tensors(kept).items()
    }


def load_optimizer(optimiser: torch.optim.Optimizer, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Give an optimiser the moments that `from_optimiser` returned."""
    moments: dict[int, dict[str, Tensor]] = {}
    for key, value in to_tensors(arrays).items():
        index, name = key.split("/")
        moments.setdefault(int(index), {})[name] = value
    optimiser.load_state_dict(
        {"state": moments, "param_groups": optimiser.state_dict()["param_groups"]}
    )
