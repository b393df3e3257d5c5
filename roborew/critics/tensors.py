"""Weights of torch modules as named arrays, and back, strictly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from roborew.checkpoints import under
from roborew.errors import CorruptFileError


def tensors_of(module: nn.Module, prefix: str = "") -> dict[str, NDArray[Any]]:
    """Every parameter and buffer, by name."""
    return {prefix + name: value.detach().cpu().numpy() for name, value in module.state_dict().items()}


def load_tensors(module: nn.Module, arrays: Mapping[str, NDArray[Any]], what: str, prefix: str = "") -> None:
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
        if given[name].shape != tuple(wanted[name].shape) or given[name].dtype != wanted[name].cpu().numpy().dtype
    ]
    if wrong:
        raise CorruptFileError(f"{what}: the saved arrays do not fit this network: {', '.join(wrong[:4])}.")
    module.load_state_dict({name: torch.as_tensor(np.array(array)) for name, array in given.items()}, strict=True)
