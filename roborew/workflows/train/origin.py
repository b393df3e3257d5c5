"""What the configuration of a run may say where it was read from a file, which may be a stranger's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from roborew.config import warn_once
from roborew.encoders.cache import is_embedding_cache
from roborew.judges.recorded import is_recording
from roborew.registry import is_trusted


def cache_paths(options: Mapping[str, Any]) -> dict[str, str]:
    """Settings of a reward that name where it may write, such as ``judge.cache``, by their names."""
    return {
        name: str(value)
        for name, value in options.items()
        if name.rpartition(".")[2] == "cache" and value is not None
    }


def without_foreign_caches(options: Mapping[str, Any], place: str) -> dict[str, Any]:
    """Return the settings of a reward without the caches that would write in a place of the file's
    choice, with a warning.

    Kept are those that the user named in this process, and places that a cache filled before: there
    nothing else can be lost, and a run of one's own goes on with what it paid for.

    Args:
        options: of the reward.
        place: the file, for the warning.
    """
    foreign = [
        name
        for name, path in cache_paths(options).items()
        if not is_trusted(path)
        and not is_embedding_cache(Path(path))
        and not is_recording(Path(path))
    ]
    for name in foreign:
        warn_once(
            f"{place}: {name}={options[name]} is left out: nothing was cached there before, and a file "
            "does not choose where to write. If it is yours, make it an empty folder (of "
            "embeddings) or an empty file (of a judge's answers)."
        )
    return {name: value for name, value in options.items() if name not in foreign}
