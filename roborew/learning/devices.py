"""Where networks run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roborew.errors import InvalidInputError

if TYPE_CHECKING:
    import torch


def find_device(name: str) -> torch.device:
    """Return a device that torch can use.

    Args:
        name: as torch has it, such as "cpu" or "cuda:0".

    Raises:
        InvalidInputError: torch does not know it, or it is not there.
    """
    import torch

    # Tried with a real tensor: torch has no list of the devices that work.
    try:
        return torch.empty(0, device=name).device
    # A device of one of torch's extensions that is absent raises what it likes.
    except (RuntimeError, AssertionError, NotImplementedError, ImportError) as error:
        raise InvalidInputError(
            f"device: torch cannot use {name!r} here ({error}); use 'cpu', or see `roborew doctor`."
        ) from error


def check_devices(names: str) -> None:
    """Raise unless torch can use every device of a list with commas, ``cuda:0,cuda:1``.

    Raises:
        InvalidInputError: as of `find_device`.
    """
    # Torch need not be loaded to know that there is a CPU.
    for name in names.split(","):
        if name.strip() != "cpu":
            find_device(name.strip())
