"""What is learned as named arrays: taken out of a network, and put back with every name, shape and
dtype checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from roborew.errors import CorruptFileError
from roborew.storage.checkpoints import select_prefix

if TYPE_CHECKING:
    from torch import nn

MAX_NAMES = 4
"""Wrong arrays that a message names."""


def module_state(module: nn.Module, prefix: str = "") -> dict[str, NDArray[Any]]:
    """Return every parameter and buffer, by name."""
    state = module.state_dict()
    return {prefix + name: tensor.detach().cpu().numpy() for name, tensor in state.items()}


def load_module_state(
    module: nn.Module, arrays: Mapping[str, NDArray[Any]], owner: str, prefix: str = ""
) -> None:
    """Copy arrays into a module.

    Raises:
        CorruptFileError: a name, shape or dtype does not fit exactly.
    """
    own = module_state(module)
    saved = select_prefix(arrays, prefix)
    faults = sorted(own.keys() ^ saved.keys())
    for name in sorted(own.keys() & saved.keys()):
        if saved[name].shape != own[name].shape or saved[name].dtype != own[name].dtype:
            faults.append(name)
    if faults:
        names = ", ".join(faults[:MAX_NAMES])
        raise CorruptFileError(f"{owner}: the saved arrays do not fit this network: {names}.")
    # Copied, since arrays read from a file may not be written to, and weights are.
    import torch  # not when a command line is read: critics of numpy alone import this module too

    tensors = {name: torch.as_tensor(np.array(array)) for name, array in saved.items()}
    module.load_state_dict(tensors, strict=True)


def take_array(
    arrays: Mapping[str, NDArray[Any]],
    name: str,
    shape: Sequence[int | None],
    dtype: DTypeLike,
    owner: str,
) -> NDArray[Any]:
    """Return a saved array.

    Args:
        arrays: what was saved.
        name: of the array.
        shape: of the array; None is a length of at least 1.
        dtype: of the array.
        owner: whose state it is, for the message.

    Raises:
        CorruptFileError: it is missing, or its shape or dtype does not fit exactly.
    """
    array = arrays.get(name)
    if array is not None and array.dtype == dtype and _fits(array.shape, shape):
        return array
    # Tell what is there, so that a file of an older release is known as one.
    sides = ", ".join("any" if side is None else str(side) for side in shape)
    actual = "none" if array is None else f"{array.dtype} of shape {array.shape}"
    raise CorruptFileError(
        f"{owner}: expected {name!r}, {np.dtype(dtype)} of shape ({sides}); got {actual}."
    )


def _fits(shape: Sequence[int], expected: Sequence[int | None]) -> bool:
    if len(shape) != len(expected):
        return False
    sides = zip(shape, expected, strict=True)
    return all(
        side > 0 if expected_side is None else side == expected_side
        for side, expected_side in sides
    )
