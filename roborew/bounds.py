"""What settings may be; beyond the largest numbers a command would crash, or never end."""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import Any

from roborew.errors import InvalidInputError

MAX_NUMBER = 10**15
"""Of any setting at all, in whole numbers: more than a run can ever count to."""
LARGEST = MappingProxyType(
    {
        "threads": 1024,
        "num_envs": 16_384,
        "ensemble_size": 100,
        "episodes": 1_000_000,
        "num_refits": 1000,
        "refit_episodes": 1000,
        "action_repeat": 1000,
        "workers": 256,
        "seed": 2**32 - 1,
    }
)
"""By the name of the setting; `MAX_NUMBER` for the others."""


def check_whole_number(name: str, number: int, smallest: int = 1) -> None:
    """Raise unless a setting is a whole number in its bounds.

    Args:
        name: of the setting, with its group: ``evaluation.episodes``.
        number: its value.
        smallest: that it may be.

    Raises:
        InvalidInputError: it is smaller, or larger than `LARGEST` has it.
    """
    if number < smallest:
        raise InvalidInputError(
            f"{name}: expected a whole number of at least {smallest}; got {number}."
        )
    check_largest(name, number)


def check_largest(name: str, number: float) -> None:
    """Raise where a number is not finite, or larger than `LARGEST` has it.

    Raises:
        InvalidInputError: it is; the message names the bound.
    """
    if isinstance(number, float) and not math.isfinite(number):
        raise InvalidInputError(f"{name}: expected a finite number; got {number}.")
    setting = name.rpartition(".")[2].lstrip("-").replace("-", "_")
    largest = LARGEST.get(setting, MAX_NUMBER)
    if isinstance(number, int) and abs(number) > largest:
        # A thousand digits help nobody.
        digits = f"{number:,}"[:40]
        raise InvalidInputError(
            f"{name}: expected a whole number of at most {largest:,}; got {digits}."
        )


def check_setting(config: Any, name: str, holds: bool, expected: str) -> None:
    """Raise unless a setting is as it has to be.

    Args:
        config: that it belongs to.
        name: of the setting.
        holds: whether it is.
        expected: what it has to be, in words.

    Raises:
        InvalidInputError: it is not; the message names the class of the configuration.
    """
    if not holds:
        setting = f"{type(config).__name__}.{name}"
        raise InvalidInputError(f"{setting}: expected {expected}; got {getattr(config, name)!r}.")
