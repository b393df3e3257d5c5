"""``key=value`` words from a command line as typed keyword arguments of a class or function."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from roborew.errors import InvalidInputError, UnknownNameError

_BOOLS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def keyword_options(factory: Callable[..., Any]) -> dict[str, Any]:
    """Return the keyword-only parameters of a class or function with their types; other parameters are no options."""
    hints = get_type_hints(factory.__init__ if isinstance(factory, type) else factory)
    parameters = inspect.signature(factory).parameters.values()
    return {p.name: hints.get(p.name, str) for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}


def parse_options(factory: Callable[..., Any], pairs: Sequence[str]) -> dict[str, Any]:
    """Turn ``["alpha=0.5", "compile=yes"]`` into keyword arguments by the annotations of ``factory``.

    Understood: str, int, float, bool, `Path`, `Literal`, ``tuple[str, ...]`` (separated by commas) and unions of these
    with None (written ``none``).

    >>> def model(*, alpha: float = 0.0, prompts: tuple[str, ...] = (), compile: bool = False): ...
    >>> parse_options(model, ["alpha=1", "prompts=a robot,a cat"])
    {'alpha': 1.0, 'prompts': ('a robot', 'a cat')}

    Raises:
        UnknownNameError: no such option; close matches and the list are offered.
        InvalidInputError: not ``key=value``, given twice, or a value of another type.
    """
    kinds, options = keyword_options(factory), dict[str, Any]()
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals:
            raise InvalidInputError(f"option: expected key=value; got {pair!r}. Available: {', '.join(kinds)}.")
        if key not in kinds:
            raise UnknownNameError("option", key, kinds)
        if key in options:
            raise InvalidInputError(f"option {key}: given twice.")
        options[key] = _read(key, kinds[key], text)
    return options


def _read(key: str, kind: Any, text: str) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        if text.lower() == "none" and types.NoneType in arguments:
            return None
        wanted = next((each for each in arguments if each in (int, float, bool, str, Path)), arguments[0])
        return _read(key, wanted, text)
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
    expected = " or ".join(map(repr, arguments)) if origin is Literal else getattr(kind, "__name__", str(kind))
    raise InvalidInputError(f"option {key}: expected {expected}; got {text!r}.")
