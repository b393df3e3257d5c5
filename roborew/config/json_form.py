"""Dataclasses and what else a configuration holds, as JSON on disk, read back with their types."""

from __future__ import annotations

import dataclasses
import logging
import math
import types
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import numpy as np

from roborew.errors import InvalidInputError

CLASS = "class"
"""JSON key that names the dataclass; a Python keyword, so no field can have it."""

logger = logging.getLogger(__name__)
T = TypeVar("T")


def to_json(value: object) -> Any:
    """Return ``value`` as what JSON can hold; NaN and infinities, which it cannot, become null.

    Raises:
        InvalidInputError: a type that has no place in JSON.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {
            field.name: to_json(getattr(value, field.name))
            for field in dataclasses.fields(value)
            if field.init
        }
        return {CLASS: type(value).__name__, **fields}
    if isinstance(value, Mapping):
        return {
            str(key): to_json(entry)
            for key, entry in cast("Mapping[object, object]", value).items()
        }
    # Before float: numpy's float64 is one, and JSON should get Python's own.
    if isinstance(value, (np.ndarray, np.generic)):
        return to_json(cast("np.generic", value).tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, (list, tuple)):
        return [to_json(entry) for entry in cast("Sequence[object]", value)]
    if isinstance(value, Path):
        return str(value)
    raise InvalidInputError(
        f"expected something that JSON can hold; got {type(value).__name__}: {value!r:.80}."
    )


def from_json(kind: type[T], content: object) -> T:
    """Return the ``kind`` that `to_json` wrote; nothing is converted but int to float and list to
    tuple.

    Raises:
        InvalidInputError: missing or unknown fields or a value of another type; the message names
            the place.
    """
    return cast("T", read_value(kind, content, kind.__name__))


@cache
def warn_once(message: str) -> None:
    """Log a warning, unless this process has logged it before: one file is read many times."""
    logger.warning(message)


def current_names(kind: object, settings: Mapping[str, T], place: str) -> dict[str, T]:
    """Return the settings under today's names, by the table ``kind.RENAMED`` of old to new ones.

    Args:
        kind: a class, one of its instances, or a function; without a table nothing is renamed.
        settings: by name, old or new; an old name is logged as a warning.
        place: where they were read, for the messages.

    Raises:
        InvalidInputError: a setting is given under its old and its new name.
    """
    table: Mapping[str, str] = getattr(kind, "RENAMED", {})
    current = dict[str, T]()
    old_names: list[str] = []
    for name, value in settings.items():
        new_name = table.get(name, name)
        # Order must not matter: the new name may come before or after the old one.
        if new_name in current or (new_name != name and new_name in settings):
            old_name = next(old for old, new in table.items() if new == new_name)
            raise InvalidInputError(
                f"{place}: {old_name} is called {new_name} now; got both. Give {new_name} alone."
            )
        if new_name != name:
            old_names.append(f"{name} is called {new_name} now")
        current[new_name] = value
    if old_names:
        warn_once(f"{place}: {', '.join(old_names)}.")
    return current


def read_value(kind: Any, content: Any, place: str) -> Any:
    """Return what JSON held as a value of an annotated type, as `from_json` reads a field.

    Raises:
        InvalidInputError: it is none; the message begins with ``place``.
    """
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return content
    if origin in (Union, types.UnionType):
        return _read_union(arguments, content, place)
    if origin is Literal:
        if content in arguments:
            return content
    elif dataclasses.is_dataclass(kind) and isinstance(content, dict):
        return _read_dataclass(cast("type[Any]", kind), cast("dict[str, Any]", content), place)
    elif origin is tuple and isinstance(content, list):
        return _read_tuple(arguments, cast("list[Any]", content), place)
    elif origin in (dict, Mapping) and isinstance(content, dict):
        items = cast("dict[str, Any]", content).items()
        return {key: read_value(arguments[1], entry, f"{place}.{key}") for key, entry in items}
    elif kind is Path and isinstance(content, str):
        return Path(content)
    elif kind is float and type(content) is int:
        return float(content)
    # Not isinstance: True is an int to Python, and a file with it there is wrong.
    elif kind in (str, int, float, bool, types.NoneType) and type(content) is kind:
        return content
    expected = getattr(kind, "__name__", str(kind)) if origin is None else str(kind)
    raise InvalidInputError(f"{place}: expected {expected}; got {content!r:.80}.")


def _read_union(kinds: tuple[Any, ...], content: Any, place: str) -> Any:
    named = cast("dict[str, Any]", content).get(CLASS) if isinstance(content, dict) else None
    for kind in kinds:
        if named is not None and getattr(kind, "__name__", None) != named:
            continue
        try:
            return read_value(kind, content, place)
        except InvalidInputError:
            if named is not None:
                raise
    expected = " or ".join(getattr(kind, "__name__", str(kind)) for kind in kinds)
    raise InvalidInputError(f"{place}: expected {expected}; got {content!r:.80}.")


def _read_tuple(arguments: tuple[Any, ...], content: list[Any], place: str) -> tuple[Any, ...]:
    kinds = arguments
    if arguments[1:] == (...,):
        # tuple[X, ...]: any number of entries of one type.
        kinds = arguments[:1] * len(content)
    if len(kinds) != len(content):
        raise InvalidInputError(f"{place}: expected {len(kinds)} entries; got {len(content)}.")
    entries: list[Any] = []
    for index, (kind, entry) in enumerate(zip(kinds, content, strict=True)):
        entries.append(read_value(kind, entry, f"{place}[{index}]"))
    return tuple(entries)


def _read_dataclass(kind: type[Any], content: dict[str, Any], place: str) -> Any:
    hints = get_type_hints(kind)
    expected = {field.name for field in dataclasses.fields(kind) if field.init}
    upgrade = getattr(kind, "upgrade", None)
    if upgrade is not None:
        content = upgrade(content)
    entries = {name: entry for name, entry in content.items() if name != CLASS}
    entries = current_names(kind, entries, place)
    names = set(entries)
    class_name = content.get(CLASS, kind.__name__)
    if class_name != kind.__name__ or names != expected:
        raise InvalidInputError(
            f"{place}: expected a {kind.__name__} with {sorted(expected)}; got a {class_name}, "
            f"missing {sorted(expected - names)}, unknown {sorted(names - expected)}."
        )
    values = {
        name: read_value(hints[name], entry, f"{place}.{name}") for name, entry in entries.items()
    }
    return kind(**values)
