"""Embeddings that were computed before, by the exact content of what was embedded."""

from __future__ import annotations

import hashlib
import logging
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
from safetensors import safe_open
from safetensors.numpy import load, save

from roborew.errors import InvalidInputError
from roborew.storage.atomic import atomic_write
from roborew.storage.plain import read_plain
from roborew.storage.staging import PREFIX, remove_leftovers
from roborew.types import FloatArray

logger = logging.getLogger(__name__)

SUFFIX = ".embeddings"
SENTENCES_FOLDER = "sentences"
"""Folder inside that of a cache, of another one."""


class EmbeddingCache:
    """The embeddings used last in memory, and, if a folder is given, all of them on disk.

    Each `put` writes one file ``<SHA-256 of its content>.embeddings``, in one step, so that
    processes may share the
    folder. A file whose content is not what its name says is never read, but said and left where it
    is: nobody knows whose it is.

    Args:
        entries: embeddings kept in memory.
        folder: of the files; made if absent.
    """

    def __init__(self, entries: int, folder: Path | None = None) -> None:
        self._entries, self._folder = entries, folder
        self._recent: OrderedDict[bytes, FloatArray] = OrderedDict()
        self._on_disk: dict[bytes, tuple[Path, int]] = {}
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            # Sorted, since the order of ``glob`` differs between file systems.
            remove_leftovers(folder)
            for file in sorted(folder.glob(f"*{SUFFIX}")):
                self._index(file)

    def get(self, key: bytes) -> FloatArray | None:
        """Return the embedding, shape (D,), float32, or None."""
        if key in self._recent:
            self._recent.move_to_end(key)
            return self._recent[key]
        if key not in self._on_disk:
            return None
        file, row = self._on_disk[key]
        # One row is read from disk: a file may hold a whole rollout.
        with cast(Any, safe_open)(file, "np") as content:
            embedding = cast("FloatArray", content.get_slice("embeddings")[row : row + 1][0])
        self._remember({key: embedding})
        return embedding

    def put(self, embeddings: Mapping[bytes, FloatArray]) -> None:
        """Keep embeddings by their keys, 32 bytes each."""
        self._remember(embeddings)
        if self._folder is None or not embeddings:
            return
        digests = b"".join(embeddings)
        keys = np.frombuffer(digests, np.uint8).reshape(-1, 32)
        rows = np.stack(list(embeddings.values()))
        content = save({"keys": keys, "embeddings": rows})
        # Named by its content: processes that share the folder cannot disagree about a file.
        name = hashlib.sha256(content).hexdigest()
        file = self._folder / f"{name}{SUFFIX}"
        atomic_write(file, content)
        for row, key in enumerate(embeddings):
            self._on_disk[key] = (file, row)

    def _remember(self, embeddings: Mapping[bytes, FloatArray]) -> None:
        for key, embedding in embeddings.items():
            # A known key keeps its old place when it is assigned, hence the move.
            self._recent[key] = embedding
            self._recent.move_to_end(key)
        while len(self._recent) > self._entries:
            self._recent.popitem(last=False)

    def _index(self, file: Path) -> None:
        try:
            content = read_plain(file)
        except InvalidInputError as error:
            logger.warning("%s It is not read.", error)
            return
        if hashlib.sha256(content).hexdigest() != file.stem:
            logger.warning("%s is damaged: its embeddings are computed anew", file)
            return
        for row, key in enumerate(load(content)["keys"]):
            self._on_disk[key.tobytes()] = (file, row)


def is_embedding_cache(folder: Path) -> bool:
    """Whether a folder is there that holds nothing but what a cache writes, or nothing at all."""
    if not folder.is_dir():
        return False
    return all(
        path.suffix == SUFFIX or path.name == SENTENCES_FOLDER or path.name.startswith(PREFIX)
        for path in folder.iterdir()
    )
