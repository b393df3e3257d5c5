"""What environments are given, checked in one way for our own tasks and for other suites."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium.error import Error, InvalidAction
from numpy.typing import NDArray


def check_num_envs(num_envs: object) -> None:
    """Refuse all but a whole number from 1 up.

    Raises:
        gymnasium.error.Error: it is none.
    """
    if not isinstance(num_envs, int | np.integer) or num_envs < 1:
        raise Error(f"num_envs: got {num_envs!r}, expected at least 1, a whole number.")


def validate_actions(
    name: str, actions: Any, shape: tuple[int, ...], whole: bool = False
) -> NDArray[Any]:
    """The actions as an array of that shape.

    Args:
        name: of the environment, for the message.
        actions: anything that numpy takes for an array.
        shape: one action for each environment, (N, ...).
        whole: whether they must be whole numbers.

    Raises:
        gymnasium.error.InvalidAction: another shape, no numbers, or NaN or infinity.
    """
    try:
        values = np.asarray(actions)
    except ValueError as error:
        raise InvalidAction(
            f"{name}: got actions of different lengths, expected shape {shape}."
        ) from error
    if values.shape != shape:
        raise InvalidAction(f"{name}: got actions of shape {values.shape}, expected {shape}.")
    if values.dtype.kind not in ("iu" if whole else "fiub"):
        raise InvalidAction(
            f"{name}: got actions of type {values.dtype}, expected {'whole ' * whole}numbers."
        )
    if not np.isfinite(values).all():
        index = np.unique(np.argwhere(~np.isfinite(values))[:, 0])
        raise InvalidAction(
            f"{name}: got actions that are NaN or infinite, of environments {index}."
        )
    return values


SNAPSHOT_ENV_KEY = "of"
"""Entry of a snapshot that names the environment it was taken of."""


def tag_snapshot(name: str, arrays: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The arrays, and whose they are: an environment's id as bytes."""
    return arrays | {SNAPSHOT_ENV_KEY: np.frombuffer(name.encode(), np.uint8).copy()}


def check_snapshot(name: str, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Refuse the snapshot of another environment; one that names none, as older ones, is taken.

    Raises:
        gymnasium.error.Error: it is another's.
    """
    found = (
        arrays[SNAPSHOT_ENV_KEY].tobytes().decode(errors="replace")
        if SNAPSHOT_ENV_KEY in arrays
        else name
    )
    if found != name:
        raise Error(f"{name}: got a snapshot of {found}, expected one of {name}.")
