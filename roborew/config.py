"""Configurations as frozen dataclasses in Python and as JSON on disk, read back with their types.

A class whose settings have changed their names says so in a table, so that files and commands of
earlier releases are still read::

    RENAMED: ClassVar[Mapping[str, str]] = {"discount": "gamma"}
"""

from __future__ import annotations

import dataclasses
import inspect
import logging
import math
import types
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import numpy as np

from roborew.errors import InvalidInputError, UnknownNameError

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
    return cast("T", _read(kind, content, kind.__name__))


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
    for name, value in settings.items():
        new_name = table.get(name, name)
        if new_name in current or (new_name != name and new_name in settings):
            old_name = next(old for old, new in table.items() if new == new_name)
            raise InvalidInputError(
                f"{place}: {old_name} is called {new_name} now; got both. Give {new_name} alone."
            )
        if new_name != name:
            logger.warning("%s: %s is called %s now.", place, name, new_name)
        current[new_name] = value
    return current


def _read(kind: Any, content: Any, place: str) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
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
        return {key: _read(arguments[1], entry, f"{place}.{key}") for key, entry in items}
    elif kind is Path and isinstance(content, str):
        return Path(content)
    elif kind is float and type(content) is int:
        return float(content)
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
            return _read(kind, content, place)
        except InvalidInputError:
            if named is not None:
                raise
    expected = " or ".join(getattr(kind, "__name__", str(kind)) for kind in kinds)
    raise InvalidInputError(f"{place}: expected {expected}; got {content!r:.80}.")


def _read_tuple(arguments: tuple[Any, ...], content: list[Any], place: str) -> tuple[Any, ...]:
    kinds = arguments[:1] * len(content) if arguments[1:] == (...,) else arguments
    if len(kinds) != len(content):
        raise InvalidInputError(f"{place}: expected {len(kinds)} entries; got {len(content)}.")
    return tuple(_read(kinds[i], content[i], f"{place}[{i}]") for i in range(len(content)))


def _read_dataclass(kind: type[Any], content: dict[str, Any], place: str) -> Any:
    hints = get_type_hints(kind)
    wanted = {field.name for field in dataclasses.fields(kind) if field.init}
    entries = {name: entry for name, entry in content.items() if name != CLASS}
    given = current_names(kind, entries, place)
    named = content.get(CLASS, kind.__name__)
    if named != kind.__name__ or set(given) != wanted:
        raise InvalidInputError(
            f"{place}: expected a {kind.__name__} with {sorted(wanted)}; got a {named}, "
            f"missing {sorted(wanted - set(given))}, unknown {sorted(set(given) - wanted)}."
        )
    return kind(
        **{name: _read(hints[name], entry, f"{place}.{name}") for name, entry in given.items()}
    )


_BOOLS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def keyword_options(factory: Callable[..., Any]) -> dict[str, Any]:
    """Return the keyword-only parameters of a class or function with their types; other parameters
    are no options."""
    hints = get_type_hints(factory.__init__ if isinstance(factory, type) else factory)
    parameters = inspect.signature(factory).parameters.values()
    return {
        p.name: hints.get(p.name, str)
        for p in parameters
        if p.kind is inspect.Parameter.KEYWORD_ONLY
    }


def parse_options(factory: Callable[..., Any], pairs: Sequence[str]) -> dict[str, Any]:
    """Turn ``["alpha=0.5", "compile=yes"]`` into keyword arguments by the annotations of
    ``factory``.

    Understood: str, int, float, bool, `Path`, `Literal`, ``tuple[str, ...]`` (separated by commas)
    and unions of these with None (written ``none``). The fields of an option that is a dataclass are
    options of their own, ``judge.model=...``.

    >>> def model(*, alpha: float = 0.0, prompts: tuple[str, ...] = (), compile: bool = False): ...
    >>> parse_options(model, ["alpha=1", "prompts=a robot,a cat"])
    {'alpha': 1.0, 'prompts': ('a robot', 'a cat')}

    Raises:
        UnknownNameError: no such option; close matches and the list are offered.
        InvalidInputError: not ``key=value``, given twice, or a value of another type.
    """
    kinds = _option_types(factory)
    texts = _read_pairs(pairs, kinds)
    values = dict[str, Any]()
    for key, text in current_names(factory, texts, "option").items():
        if key not in kinds:
            raise UnknownNameError("option", key, kinds)
        values[key] = _read_option(key, kinds[key], text)
    return _assemble(factory, values)


def _read_pairs(pairs: Sequence[str], kinds: Mapping[str, Any]) -> dict[str, str]:
    texts = dict[str, str]()
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals:
            raise InvalidInputError(
                f"option: expected key=value; got {pair!r}. Available: {', '.join(kinds)}."
            )
        if key in texts:
            raise InvalidInputError(f"option {key}: given twice.")
        texts[key] = text
    return texts


def _assemble(factory: Callable[..., Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Turn dotted options into the dataclasses whose fields they are."""
    options = dict[str, Any]()
    fields = dict[str, dict[str, Any]]()
    for key, value in values.items():
        name, dot, field = key.partition(".")
        if dot:
            fields.setdefault(name, {})[field] = value
        else:
            options[key] = value
    kinds = keyword_options(factory)
    for name, settings in fields.items():
        settings_class = _settings_class(kinds[name])
        assert settings_class is not None
        options[name] = settings_class(**settings)
    return options


def _option_types(factory: Callable[..., Any]) -> dict[str, Any]:
    """Option -> its type; a field of a dataclass that is an option is called ``option.field``."""
    kinds = dict[str, Any]()
    for name, kind in keyword_options(factory).items():
        settings_class = _settings_class(kind)
        if settings_class is None:
            kinds[name] = kind
            continue
        for field, field_kind in keyword_options(settings_class).items():
            kinds[f"{name}.{field}"] = field_kind
    return kinds


def _settings_class(kind: Any) -> type[Any] | None:
    """The dataclass that a type is, or that is one of a union."""
    candidates = get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)
    for candidate in candidates:
        if isinstance(candidate, type) and dataclasses.is_dataclass(candidate):
            return cast("type[Any]", candidate)
    return None


def _read_option(key: str, kind: Any, text: str) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        if text.lower() == "none" and types.NoneType in arguments:
            return None
        wanted = next(
            (each for each in arguments if each in (int, float, bool, str, Path)), arguments[0]
        )
        return _read_option(key, wanted, text)
    if (origin is Literal and text in arguments) or kind is str:
        return text
    if kind is Path:
        return Path(text)
    if origin is tuple:
        return tuple(part.strip() for part in text.split(",") if part.strip())
    try:
        if kind in (int, float):
            return kind(text)
        if kind is bool:
            return _BOOLS[text.lower()]
    except (ValueError, KeyError):
        pass  # said below, in the words of this option
    expected = (
        " or ".join(map(repr, arguments))
        if origin is Literal
        else getattr(kind, "__name__", str(kind))
    )
    raise InvalidInputError(f"option {key}: expected {expected}; got {text!r}.")
