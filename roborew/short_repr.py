"""One line for what a notebook or a debugger shows, whatever arrays it holds: a class takes one of
these as its ``__repr__``."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, cast

MAX_CHARACTERS = 60
"""Of one value, and of a sentence inside it."""
PLAIN = (bool, int, float, type(None), Path)


def fields_repr(self: Any) -> str:
    """Return the fields of a dataclass that hold something, in one line: arrays by type and shape,
    long collections by their length.

    >>> import numpy as np
    >>> from roborew import Clip
    >>> Clip(frames=np.full((5, 64, 96, 3), 9, np.uint8), instruction="press")
    Clip(frames=uint8[5, 64, 96, 3], instruction='press')
    """
    pairs = [(one.name, getattr(self, one.name)) for one in fields(self) if one.repr]
    values = ", ".join(f"{name}={_value_repr(value)}" for name, value in pairs if value is not None)
    return f"{type(self).__name__}({values})"


def reward_repr(self: Any) -> str:
    """Return the name and the range of a reward model.

    >>> import roborew
    >>> roborew.load_reward("mini")
    <Mini: reward 'mini', scores in [0, 1], predicts success>
    """
    spec = self.spec
    facts = [f"reward {spec.name!r}", f"scores in [{spec.low:g}, {spec.high:g}]"]
    if spec.predicts_success:
        facts.append("predicts success")
    return f"<{type(self).__name__}: {', '.join(facts)}>"


def agent_repr(self: Any) -> str:
    """Return how far an agent has come."""
    return f"<{type(self).__name__}: learned from {self.steps:,} steps>"


def _value_repr(value: Any) -> str:
    if isinstance(value, PLAIN):
        return repr(value)
    if isinstance(value, str):
        return repr(value if len(value) <= MAX_CHARACTERS else f"{value[:MAX_CHARACTERS]}...")
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return f"{value.dtype}{list(value.shape)}"
    if is_dataclass(value):
        return f"{type(value).__name__}(...)"
    if isinstance(value, Mapping):
        return f"<{len(cast('Mapping[Any, Any]', value))} entries>"
    if isinstance(value, Collection):
        return _collection_repr(cast("Collection[Any]", value))
    return f"<{type(value).__name__}>"


def _collection_repr(items: Collection[Any]) -> str:
    """The items themselves where they are short, otherwise how many of what."""
    text = ", ".join(map(_value_repr, items)) if len(items) <= MAX_CHARACTERS else ""
    if not items or 0 < len(text) <= MAX_CHARACTERS:
        return f"[{text}]"
    kinds = sorted({type(item).__name__ for item in items})
    return f"<{len(items)} {' or '.join(kinds)}>"
