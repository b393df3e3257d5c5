"""What environments are given, checked in one way for our own tasks and for other suites."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


def parse_reset_mask(options: Mapping[str, Any] | None, num_envs: int) -> NDArray[np.bool_]:
    """Read which environments `reset` starts: shape (num_envs,), all where no option says.

    Raises:
        gymnasium.error.Error: ``options["reset_mask"]`` is no mask of that shape, or is empty.
    """
    all_envs = np.ones(num_envs, np.bool_)
    mask = np.asarray((options or {}).get("reset_mask", all_envs))
    if mask.shape != (num_envs,) or mask.dtype != np.bool_ or not mask.any():
        raise Error(
            f"reset_mask: expected bool of shape ({num_envs},) with at least one True; got {mask}."
        )
    return mask


def expand_seeds(seed: int | Sequence[int | None] | None, num_envs: int) -> list[int | None]:
    """One seed for each environment: from one seed s the seeds s, s + 1, ...; None is chance.

    Raises:
        gymnasium.error.Error: a list of another length.
    """
    if seed is None:
        return [None] * num_envs
    if isinstance(seed, int | np.integer):
        return [int(seed) + i for i in range(num_envs)]
    if len(seed) != num_envs:
        raise Error(f"seed: got {len(seed)} seeds, expected one integer or {num_envs} of them.")
    return list(seed)


def validate_actions(
    name: str, actions: Any, shape: tuple[int, ...], whole: bool = False
) -> NDArray[Any]:
    """Return the actions as an array of that shape.

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
    # numpy's kinds: f float, i and u whole, b bool, which is a number to a switch.
    if values.dtype.kind not in ("iu" if whole else "fiub"):
        expected = "whole numbers" if whole else "numbers"
        raise InvalidAction(f"{name}: got actions of type {values.dtype}, expected {expected}.")
    is_finite = np.isfinite(values)
    if not is_finite.all():
        indices = np.unique(np.argwhere(~is_finite)[:, 0])
        raise InvalidAction(
            f"{name}: got actions that are NaN or infinite, of environments {indices}."
        )
    return values


SNAPSHOT_ENV_KEY = "of"
"""Entry of a snapshot that names the environment it was taken of."""


def tag_snapshot(name: str, arrays: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Add whose the arrays are: an environment's id as bytes."""
    return arrays | {SNAPSHOT_ENV_KEY: np.frombuffer(name.encode(), np.uint8).copy()}


def check_snapshot(name: str, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Refuse the snapshot of another environment; one that names none, as older ones, is taken.

    Raises:
        gymnasium.error.Error: it is another's.
    """
    if SNAPSHOT_ENV_KEY not in arrays:
        return
    owner = arrays[SNAPSHOT_ENV_KEY].tobytes().decode(errors="replace")
    if owner != name:
        raise Error(f"{name}: got a snapshot of {owner}, expected one of {name}.")
