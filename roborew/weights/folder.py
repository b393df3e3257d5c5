"""A model's folder as a library may see it: a copy with its known files alone, each looked at.

A library that is given the folder itself reads whatever its own rules find there: pickles, adapters
that name other models, code. In the copy there is nothing of that kind.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any, cast

from roborew.errors import CorruptFileError, RoborewError, first_line
from roborew.storage.json_files import (
    MAX_JSON_BYTES,
    check_plain_file,
    read_bounded,
    read_json_object,
)
from roborew.weights.settings import (
    generation_settings,
    model_settings,
    processor_settings,
    tokenizer_settings,
)

Read = Callable[[Mapping[str, Any], str], dict[str, Any]]
INDEX = "model.safetensors.index.json"
WEIGHT_FILE = re.compile(r"model[\w.-]*\.safetensors")


def weight_index(content: Mapping[str, Any], place: str) -> dict[str, Any]:
    """Return what an index of weights in several files may say: which tensor is in which of them.

    Raises:
        CorruptFileError: it names other files.
    """
    files: Any = content.get("weight_map")
    names = set(cast("dict[str, Any]", files).values()) if isinstance(files, dict) else {None}
    if not all(isinstance(name, str) and WEIGHT_FILE.fullmatch(name) for name in names):
        raise CorruptFileError(
            f"{place}: expected the names of model*.safetensors beside it; got {files!r:.80}."
        )
    return {"metadata": {}, "weight_map": files}


SETTINGS: Mapping[str, Read] = MappingProxyType(
    {
        "config.json": model_settings,
        "preprocessor_config.json": processor_settings,
        "video_preprocessor_config.json": processor_settings,
        "processor_config.json": processor_settings,
        "tokenizer_config.json": tokenizer_settings,
        "generation_config.json": generation_settings,
        INDEX: weight_index,
        # A template is run in the sandbox of its library.
        "chat_template.json": processor_settings,
        "special_tokens_map.json": tokenizer_settings,
    }
)
"""Files of settings that a model may have, and what they may set."""
VOCABULARIES = ("tokenizer.json", "vocab.json", "added_tokens.json")
TEXTS = ("chat_template.jinja", "merges.txt", "vocab.txt", "spiece.model", "tokenizer.model")


@contextmanager
def vetted_folder(folder: Path) -> Generator[Path]:
    """Give a folder with what is known of a model's folder: settings that were looked at, the
    tokenizer, and its safetensors. It is gone at the end of the block.

    Raises:
        CorruptFileError: a file is no JSON, or sets what it may not.
    """
    with TemporaryDirectory(prefix="roborew-") as name:
        copy = Path(name)
        for file_name, read in SETTINGS.items():
            if (folder / file_name).exists():
                content = read_json_object(folder / file_name)
                settings = read(content, str(folder / file_name))
                (copy / file_name).write_text(json.dumps(settings), encoding="utf-8")
        for file_name in VOCABULARIES:
            if (folder / file_name).exists():
                read_json_object(folder / file_name)
        for file_name in (*VOCABULARIES, *TEXTS):
            if (folder / file_name).exists():
                (copy / file_name).write_bytes(read_bounded(folder / file_name, MAX_JSON_BYTES))
        for file in folder.glob("model*.safetensors"):
            check_plain_file(file)
            (copy / file.name).symlink_to(file.resolve())
        yield copy


@contextmanager
def explain(place: object) -> Generator[None]:
    """Turn whatever a library raises while it reads somebody else's files into one clear error.

    Raises:
        CorruptFileError: in place of the library's error.
    """
    try:
        yield
    except RoborewError:
        raise
    # A damaged file may break a library at any line of it.
    except Exception as error:
        reason = first_line(error) or type(error).__name__
        raise CorruptFileError(f"{place} cannot be read: {reason:.300}") from error
