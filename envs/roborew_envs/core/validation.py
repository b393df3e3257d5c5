"""What environments are given, checked in one way for our own tasks and for other suites."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import numpy as np
from gymnasium.error import Error
from numpy.typing import NDArray


def check_num_envs(num_envs: object) -> None:
    """Refuse all but a whole number from 1 up.

    Raises:
        gymnasium.error.Error: it is none.
    """
    if not isinstance(num_envs, int | np.integer) or num_envs < 1:
        raise Error(f"num_envs: got {num_envs!r}, expected at least 1, a whole number.")


def check_steps(horizon: object, action_repeat: object) -> None:
    """Refuse all but whole numbers from 1 up; a horizon of None is the environment's own.

    Raises:
        gymnasium.error.Error: one of them is none.
    """
    steps = {"horizon": 1 if horizon is None else horizon, "action_repeat": action_repeat}
    for name, number in steps.items():
        if not isinstance(number, int | np.integer) or number < 1:
            raise Error(f"{name}: got {number!r}, expected at least 1, a whole number.")


def check_reset_options(options: Mapping[str, Any] | None, names: Sequence[str]) -> None:
    """Refuse an option of `reset` that nothing reads.

    Raises:
        gymnasium.error.Error: with the closest name.
    """
    for name in options or {}:
        if name not in names:
            close = get_close_matches(name, names, n=1, cutoff=0.4)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            available = ", ".join(names) or "none"
            raise Error(f"reset: unknown option {name!r}.{hint} Available: {available}.")


def parse_reset_mask(options: Mapping[str, Any] | None, num_envs: int) -> NDArray[np.bool_]:
    """Read which environments `reset` starts: shape (num_envs,), all where no option says.

    Raises:
        gymnasium.error.Error: ``options["reset_mask"]`` is no mask of that shape, or is empty; or
            there is another option.
    """
    check_reset_options(options, ("reset_mask",))
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
