"""The settings of a part: which there are, of which types, and how a command line writes them."""

from __future__ import annotations

import dataclasses
import inspect
import types
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints

from roborew.bounds import check_largest
from roborew.config.json_form import current_names, read_value, to_json
from roborew.errors import InvalidInputError, UnknownNameError

_CONSTANTS: Mapping[str, bool | None] = {"true": True, "false": False, "null": None}


def options_class(factory: Callable[..., Any]) -> Callable[..., Any]:
    """Return what declares the settings of a part: the dataclass that it calls ``Config``, or that its
    parameter ``config`` takes, if it has one, else the class or function itself."""
    own = getattr(factory, "Config", None)
    if dataclasses.is_dataclass(own):
        return cast("Callable[..., Any]", own)
    hints = get_type_hints(factory.__init__ if isinstance(factory, type) else factory)
    kinds = get_args(hints.get("config")) or (hints.get("config"),)
    settings = [
        cast("Callable[..., Any]", kind) for kind in kinds if dataclasses.is_dataclass(kind)
    ]
    return settings[0] if settings else factory


def keyword_options(factory: Callable[..., Any]) -> dict[str, Any]:
    """Return the settings of a class or function with their types: the keyword-only parameters of
    `options_class`. Other parameters are no options."""
    kind = options_class(factory)
    hints = _type_hints(kind)
    parameters = inspect.signature(kind).parameters.values()
    return {
        p.name: hints.get(p.name, str)
        for p in parameters
        if p.kind is inspect.Parameter.KEYWORD_ONLY
    }


def _type_hints(kind: Callable[..., Any]) -> dict[str, Any]:
    # Of a dataclass itself: its constructor does not know the modules of inherited fields.
    if isinstance(kind, type) and not dataclasses.is_dataclass(kind):
        return get_type_hints(cast("Any", kind).__init__)
    return get_type_hints(kind)


def default_options(factory: Callable[..., Any]) -> dict[str, Any]:
    """Return the default of every setting of `option_types` that has one, as what JSON can hold.

    A file that is shipped with the code is left out: it lies elsewhere on another machine.
    """
    parameters = inspect.signature(options_class(factory)).parameters
    defaults = dict[str, Any]()
    for name, kind in keyword_options(factory).items():
        default = parameters[name].default
        if default is inspect.Parameter.empty or isinstance(default, Path):
            continue
        if settings_class(kind) is None:
            defaults[name] = to_json(default)
        elif dataclasses.is_dataclass(default):
            for field in dataclasses.fields(default):
                defaults[f"{name}.{field.name}"] = to_json(getattr(default, field.name))
    return defaults


def read_options(
    factory: Callable[..., Any], settings: Mapping[str, object], place: str
) -> dict[str, Any]:
    """Return settings that were read from JSON as keyword arguments of the annotated types; those of a dataclass
    have dotted names, ``judge.model``.

    Args:
        factory: the part, see `option_types`.
        settings: by name, as `to_json` wrote them.
        place: where they were read, for the messages.

    Raises:
        UnknownNameError: no such setting; close matches and the list are offered.
        InvalidInputError: a value of another type.
    """
    kinds = option_types(factory)
    current = current_names(options_class(factory), settings, place)
    for name in current:
        if name not in kinds:
            raise UnknownNameError(f"setting of {place}", name, kinds)
    values = {
        name: read_value(kinds[name], to_json(value), f"{place}.{name}")
        for name, value in current.items()
    }
    return _assemble(factory, values)


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
    return _assemble(factory, parse_settings(factory, pairs))


def parse_plain_options(pairs: Sequence[str]) -> dict[str, Any]:
    """Turn key=value into keyword arguments of something whose types nobody knows: a value is true,
    false, null, a number, or else text.

    >>> parse_plain_options(["goal_marker=false", "speed=0.5", "map=large", "size=3"])
    {'goal_marker': False, 'speed': 0.5, 'map': 'large', 'size': 3}

    Raises:
        InvalidInputError: not ``key=value``, or given twice.
    """
    return {key: _plain_value(text) for key, text in _read_pairs(pairs, ()).items()}


def _plain_value(text: str) -> str | float | bool | None:
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def parse_settings(factory: Callable[..., Any], pairs: Sequence[str]) -> dict[str, Any]:
    """Return what `parse_options` reads by the names of `option_types`, nothing assembled.

    Raises:
        UnknownNameError: as of `parse_options`.
        InvalidInputError: as of `parse_options`.
    """
    kinds = option_types(factory)
    texts = _read_pairs(pairs, kinds)
    values = dict[str, Any]()
    for key, text in current_names(options_class(factory), texts, "option").items():
        if key not in kinds:
            raise UnknownNameError("option", key, kinds)
        values[key] = parse_value(kinds[key], text, f"option {key}")
    return values


def _read_pairs(pairs: Sequence[str], kinds: Collection[str]) -> dict[str, str]:
    texts = dict[str, str]()
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals:
            available = f" Available: {', '.join(kinds)}." if kinds else ""
            raise InvalidInputError(f"option: expected key=value; got {pair!r}.{available}")
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
        inner = settings_class(kinds[name])
        assert inner is not None
        options[name] = inner(**settings)
    return options


def option_types(factory: Callable[..., Any]) -> dict[str, Any]:
    """Return every setting with its type; a field of a dataclass that is an option is called
    ``option.field``."""
    kinds = dict[str, Any]()
    for name, kind in keyword_options(factory).items():
        inner = settings_class(kind)
        if inner is None:
            kinds[name] = kind
            continue
        for field, field_kind in keyword_options(inner).items():
            kinds[f"{name}.{field}"] = field_kind
    return kinds


def settings_class(kind: Any) -> type[Any] | None:
    """Return the dataclass that a type is, or that is one of a union."""
    candidates = get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)
    for candidate in candidates:
        if isinstance(candidate, type) and dataclasses.is_dataclass(candidate):
            return cast("type[Any]", candidate)
    return None


def format_options(options: Mapping[str, object]) -> list[str]:
    """Write settings as `parse_options` reads them.

    >>> format_options({"alpha": 1.0, "prompts": ["a robot", "a cat"], "compile": True, "size": None})
    ['alpha=1.0', 'prompts=a robot,a cat', 'compile=true', 'size=none']
    """
    return [f"{name}={format_value(value)}" for name, value in options.items()]


def format_value(value: object) -> str:
    """Write one setting as `parse_value` reads it."""
    if isinstance(value, (list, tuple)):
        return ",".join(format_value(entry) for entry in cast("Sequence[object]", value))
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return str(value)


_BOOLS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_SCALARS = (int, float, bool, str, Path)


def parse_value(kind: Any, text: str, place: str) -> Any:
    """Turn a word of a command line into a value of a type; see `parse_options`.

    Raises:
        InvalidInputError: it is none; the message begins with ``place``.
    """
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        if text.lower() == "none" and types.NoneType in arguments:
            return None
        scalar = next((member for member in arguments if member in _SCALARS), arguments[0])
        return parse_value(scalar, text, place)
    if (origin is Literal and text in arguments) or kind is str:
        return text
    if kind is Path:
        return Path(text)
    if origin is tuple:
        return tuple(part.strip() for part in text.split(",") if part.strip())
    try:
        if kind in (int, float):
            number = kind(text)
            check_largest(place, number)
            return number
        if kind is bool:
            return _BOOLS[text.lower()]
    except InvalidInputError:
        raise
    except (ValueError, KeyError):
        pass  # reported below, in the words of this option
    expected = getattr(kind, "__name__", str(kind))
    if origin is Literal:
        expected = " or ".join(map(repr, arguments))
    raise InvalidInputError(f"{place}: expected {expected}; got {text!r}.")
