"""Reads and checks ``assets/appearance.json``: which model fields a shift of appearance moves, and
how far."""

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


def read_shift_table(selectors: Collection[str], changes: Collection[str]) -> Mapping[str, Any]:
    """Read ``assets/appearance.json``.

    Args:
        selectors: what its entries may move.
        changes: how, beside `PLACE`.

    Raises:
        gymnasium.error.Error: the file is absent or damaged, or says what cannot be.
    """
    try:
        table = cast("dict[str, Any]", json.loads(FILE.read_text("utf-8")))
        strengths = [str.strip(name) for name in table["strengths"]]
        _expect(bool(strengths), "a strength", table)
        _check_kinds(table["kinds"], len(strengths), selectors, {PLACE, *changes})
        _check_places(table["places"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        fault = f"{type(error).__name__}: {error}"
        raise Error(
            f"assets/appearance.json is damaged ({fault}): install roborew again."
        ) from error
    return MappingProxyType(table)


def _check_kinds(
    kinds: Mapping[str, Any],
    num_strengths: int,
    selectors: Collection[str],
    changes: Collection[str],
) -> None:
    _expect(bool(kinds), "a kind", kinds)
    for entries in kinds.values():
        _expect(bool(entries), "an entry of each kind", entries)
        for entry in entries:
            _expect_numbers(entry["amounts"], num_strengths)
            _expect(entry["change"] in changes, f"one of {sorted(changes)}", entry["change"])
            if entry["change"] == PLACE:
                continue
            _expect(entry["of"] in selectors, f"one of {sorted(selectors)}", entry["of"])
            _expect_numbers(entry.get("range", [0, 1]), 2)
            for name in entry["fields"]:
                _expect(hasattr(mujoco.MjModel, name), "fields of a model", entry)


def _check_places(places: list[Any]) -> None:
    # Worlds without one of the named things still need somewhere to put distractors.
    fits_any_world = any(place["beside"] == "" for place in places)
    _expect(fits_any_world, "a place beside anything", places)
    for place in places:
        _expect_numbers(place["size"], 2)
        _expect(bool(place["zones"]), "a zone", place)
        for zone in place["zones"]:
            _expect_numbers(zone, 4)


def _expect(holds: bool, expected: str, actual: Any) -> None:
    if not holds:
        raise ValueError(f"expected {expected}; got {actual!r:.80}")


def _expect_numbers(values: Any, count: int) -> None:
    is_finite = all(math.isfinite(value) for value in values)
    _expect(len(values) == count and is_finite, f"{count} numbers", values)
