"""The file of the shifts of appearance, checked when it is read: a damaged one is named, not met half-way."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import Any, cast

import mujoco
from gymnasium.error import Error

FILE: Traversable = resources.files("roborew_envs") / "assets" / "appearance.json"
PLACE = "place"
"""The change that moves nothing but puts things there."""


def read_book(choices: Collection[str], changes: Collection[str]) -> Mapping[str, Any]:
    """What ``assets/appearance.json`` says.

    Args:
        choices: what its entries may move.
        changes: how, beside `PLACE`.

    Raises:
        gymnasium.error.Error: the file is absent or damaged, or says what cannot be.
    """
    try:
        book = cast("dict[str, Any]", json.loads(FILE.read_text("utf-8")))
        _check(book, choices, {PLACE, *changes})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        fault = f"{type(error).__name__}: {error}"
        raise Error(f"assets/appearance.json is damaged ({fault}): install roborew again.") from error
    return MappingProxyType(book)


def _check(book: Mapping[str, Any], choices: Collection[str], changes: Collection[str]) -> None:
    strengths = [str.strip(name) for name in book["strengths"]]
    _expect(bool(strengths) and bool(book["kinds"]), "a strength and a kind", book)
    for entries in book["kinds"].values():
        _expect(bool(entries), "an entry of each kind", entries)
        for entry in entries:
            _numbers(entry["amounts"], len(strengths))
            _expect(entry["change"] in changes, f"one of {sorted(changes)}", entry["change"])
            if entry["change"] != PLACE:
                _expect(entry["of"] in choices, f"one of {sorted(choices)}", entry["of"])
                _expect(all(hasattr(mujoco.MjModel, name) for name in entry["fields"]), "fields of a model", entry)
                _numbers(entry.get("range", [0, 1]), 2)
    _expect(any(place["beside"] == "" for place in book["places"]), "a place beside anything", book["places"])
    for place in book["places"]:
        _numbers(place["size"], 2)
        _expect(bool(place["zones"]), "a zone", place)
        for zone in place["zones"]:
            _numbers(zone, 4)


def _expect(holds: bool, what: str, found: Any) -> None:
    if not holds:
        raise ValueError(f"expected {what}; got {found!r:.80}")


def _numbers(values: Any, count: int) -> None:
    _expect(len(values) == count and all(math.isfinite(value) for value in values), f"{count} numbers", values)
