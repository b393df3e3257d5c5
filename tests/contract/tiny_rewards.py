"""How the contract tests build each registered reward: constructor options of a tiny local instance."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Options = Mapping[str, Any]

TINY: dict[str, Callable[[Path], Options]] = {}
"""By registered name; called with an empty folder in which files may be made. A reward not named here needs no options
but the device."""


def tiny_options(name: str, folder: Path) -> Options:
    """Return constructor options of the reward called ``name``, without ``device``."""
    return TINY[name](folder) if name in TINY else {}
