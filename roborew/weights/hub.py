"""Models of the Hugging Face hub: what is downloaded, and what is said where that is not pinned."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import huggingface_hub
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

from roborew.errors import InvalidInputError, MissingBackendError, first_line

logger = logging.getLogger(__name__)
hub = cast(Any, huggingface_hub)
HUB = "hf-hub:"
SETTINGS_FILES = ("*.json", "*.jinja", "*.model", "*.txt")
"""Of a model, its tokenizer and its processors; neither code nor pickles are downloaded."""
_COMMIT = re.compile(r"[0-9a-f]{40}")
_REVISION = re.compile(r"[\w-]+([./][\w-]+)*")


def hub_file(repository: str, names: Sequence[str], revision: str | None) -> Path:
    """Return the first of ``names`` that a repository of the Hugging Face hub has, downloaded if it
    is not yet here.

    Raises:
        InvalidInputError: no such revision is possible.
        MissingBackendError: it cannot be had; the message says what to download and where to put
            it.
    """
    _check_revision(revision)
    reason = "it has none of these files"
    for name in names:
        try:
            file = Path(hub.hf_hub_download(repository, name, revision=revision))
        # First, since it is an EntryNotFoundError too: the hub was out of reach.
        except LocalEntryNotFoundError as error:
            reason = first_line(error)
        except EntryNotFoundError:
            continue
        except (OSError, ValueError) as error:
            raise MissingBackendError(
                _missing(repository, names, revision, first_line(error))
            ) from error
        else:
            _warn_unpinned(repository, revision, file)
            return file
    raise MissingBackendError(_missing(repository, names, revision, reason))


def hub_folder(repository: str, weights: Sequence[str], revision: str | None) -> Path:
    """Return a folder with a repository's weights, its configuration and its tokenizer; errors as in
    `hub_file`.

    Args:
        repository: ``owner/name``.
        weights: patterns of the names of its weight files; none for the rest alone.
        revision: commit, tag or branch; the newest commit if not given.
    """
    _check_revision(revision)
    try:
        folder = Path(
            hub.snapshot_download(
                repository, revision=revision, allow_patterns=[*weights, *SETTINGS_FILES]
            )
        )
    except (OSError, ValueError) as error:
        raise MissingBackendError(
            _missing(repository, weights or ["config.json"], revision, first_line(error))
        ) from error
    _warn_unpinned(repository, revision, folder)
    return folder


def _check_revision(revision: str | None) -> None:
    # It becomes a part of paths in the cache.
    if revision is not None and not _REVISION.fullmatch(revision):
        raise InvalidInputError(
            f"revision: expected a commit, such as 40 hexadecimal digits; got {revision!r}."
        )


def _warn_unpinned(repository: str, revision: str | None, path: Path) -> None:
    if revision is not None and _COMMIT.fullmatch(revision):
        return
    # Snapshots of the cache are called after their commits.
    commit = next((part for part in path.parts if _COMMIT.fullmatch(part)), "COMMIT")
    logger.warning(
        "%s is not pinned: whoever owns it may change it, and scores with it. Give revision=%s to "
        "keep what was loaded now.",
        repository,
        commit,
    )


def _missing(repository: str, names: Sequence[str], revision: str | None, reason: str) -> str:
    pinned = f" --revision {revision}" if revision else ""
    return (
        f"weights: {' or '.join(names)} of {repository} ({revision or 'main'}) cannot be had: "
        f"{reason} "
        f"Where there is a network, run `hf download {repository} {names[0]}{pinned}`, which puts "
        f"it into the Hugging "
        "Face cache (HF_HOME, by default ~/.cache/huggingface), or add `--local-dir FOLDER` and "
        "give "
        f"pretrained=FOLDER/{names[0]}."
    )
