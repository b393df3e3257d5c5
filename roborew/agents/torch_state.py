"""Networks and optimizers as named arrays, the form in which a checkpoint holds them; no pickle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from roborew.errors import InvalidInputError
from roborew.storage.checkpoints import with_prefix

Arrays = dict[str, NDArray[Any]]


def from_tensors(tensors: Mapping[str, Tensor]) -> Arrays:
    """Return copies of a network's tensors."""
    return {
        # Some optimizers count their steps in a plain number.
        key: torch.as_tensor(value).detach().cpu().numpy().copy()
        for key, value in tensors.items()
    }


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


def join_parts(parts: Mapping[str, Mapping[str, NDArray[Any]]]) -> Arrays:
    """Return the arrays of all parts, each name behind that of its part, ``part/name``."""
    arrays: Arrays = {}
    for prefix, part in parts.items():
        arrays |= with_prefix(part, f"{prefix}/")
    return arrays


def load_weights(network: torch.nn.Module, tensors: Mapping[str, Tensor], owner: str) -> None:
    """Give a network its weights.

    Raises:
        InvalidInputError: they are of another shape; the message begins with ``owner``.
    """
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise InvalidInputError(
            f"{owner}.load_state_dict: the weights do not fit these spaces: {error}"
        ) from error


def require_same_settings(meta: Mapping[str, Any], config: Any, owner: str) -> None:
    """Raise unless a saved state is of an agent with these settings, a dataclass.

    Raises:
        InvalidInputError: other settings; the message begins with ``owner``.
    """
    settings = asdict(config)
    if dict(meta["config"]) != settings:
        raise InvalidInputError(
            f"{owner}.load_state_dict: the state is of {meta['config']}, this agent of {settings}; "
            f"make the agent with {type(config).__name__}(**meta['config'])."
        )
