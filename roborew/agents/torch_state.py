"""Networks and optimizers as named arrays, the form in which a checkpoint holds them; no pickle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from roborew.storage.checkpoints import with_prefix

Arrays = dict[str, NDArray[Any]]


def from_tensors(tensors: Mapping[str, Tensor]) -> Arrays:
    """Return copies of a network's tensors."""
    return {key: value.detach().cpu().numpy().copy() for key, value in tensors.items()}


def to_tensors(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Tensor]:
    """Return copies of the arrays as tensors."""
    return {key: torch.as_tensor(np.array(value)) for key, value in arrays.items()}


def current_names(arrays: Mapping[str, NDArray[Any]]) -> Arrays:
    """Return a checkpoint's arrays under today's names; the release before wrote "optimiser"."""
    return {key.replace("optimiser", "optimizer"): value for key, value in arrays.items()}


def from_optimizer(optimizer: torch.optim.Optimizer) -> Arrays:
    """Return the moments that an optimizer keeps of each parameter, named ``index/moment``."""
    moments_of = cast(dict[int, dict[str, Tensor]], optimizer.state_dict()["state"])
    arrays: Arrays = {}
    for index, moments in moments_of.items():
        arrays |= with_prefix(from_tensors(moments), f"{index}/")
    return arrays


def load_optimizer(optimizer: torch.optim.Optimizer, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Give an optimizer the moments that `from_optimizer` returned."""
    moments_of: dict[int, dict[str, Tensor]] = {}
    for key, value in to_tensors(arrays).items():
        index, name = key.split("/")
        moments_of.setdefault(int(index), {})[name] = value
    # The optimizer's own groups: settings come from the configuration, only moments are saved.
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": moments_of, "param_groups": groups})
