"""How a critic was made, as its folder says: registered parts and their settings, nothing more."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, cast

from roborew.errors import CorruptFileError
from roborew.registry import check_name_from_file

logger = logging.getLogger(__name__)
MACHINE_SETTINGS = frozenset({"cache", "device"})
"""Where a part computes and writes: chosen by whoever uses a critic, never by its file."""
MAX_MEMBERS = 1000


def checked_recipe(config: Mapping[str, Any], place: str) -> dict[str, Any]:
    """Return the ``recipe`` of a critic's config.json.

    Args:
        config: content of the file.
        place: the file, for messages.

    Raises:
        CorruptFileError: it is not what a critic writes.
        InvalidInputError: it names code that would have to be imported.
    """
    recipe: Any = config.get("recipe")
    if not isinstance(recipe, dict):
        raise CorruptFileError(f"{place}: expected an object called recipe; got {recipe!r:.80}.")
    recipe = cast("dict[str, Any]", recipe)
    check_name_from_file("critic", config.get("critic"), place)
    check_name_from_file("encoder", recipe.get("encoder_name"), place)
    members = recipe.get("members", 1)
    if type(members) is not int or not 1 <= members <= MAX_MEMBERS:
        raise CorruptFileError(
            f"{place}: expected from 1 to {MAX_MEMBERS} members; got {members!r:.80}."
        )
    negatives = recipe.get("swap_negatives", 0)
    if type(negatives) is not int or negatives < 0:
        raise CorruptFileError(
            f"{place}: expected swap_negatives to be a whole number from 0 up; got {negatives!r:.80}."
        )
    words = {part: _settings(recipe.get(part), part, place) for part in ("objective", "encoder")}
    return {**recipe, **words}


def _settings(words: Any, part: str, place: str) -> list[str]:
    """Settings as key=value, without those that belong to a machine."""
    if not isinstance(words, list) or not all(isinstance(w, str) for w in cast("list[Any]", words)):
        raise CorruptFileError(
            f"{place}: expected the settings of the {part} as a list of key=value; got {words!r:.80}."
        )
    settings = cast("list[str]", words)
    ignored = [word for word in settings if word.partition("=")[0] in MACHINE_SETTINGS]
    if ignored:
        logger.warning("%s: %s is for you to choose, and left out.", place, ", ".join(ignored))
    return [word for word in settings if word not in ignored]
