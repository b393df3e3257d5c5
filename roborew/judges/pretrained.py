"""Weights and processor of a vision-language model, from the hub or a folder: whole and native, or
a helpful error."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError
from transformers import AutoModelForImageTextToText, AutoProcessor

from roborew.errors import CorruptFileError, MissingBackendError, first_line

logger = logging.getLogger(__name__)

MODEL_FILE_SUFFIXES = (".safetensors", ".json", ".jinja", ".txt", ".model")
"""Endings of the files that decide what a model in a folder answers."""


def load_pretrained(model: str, revision: str | None, dtype: torch.dtype) -> tuple[Any, Any, str]:
    """Load a model, its processor and its identity ``model@revision``.

    Native classes and safetensors only: no code and no pickle of a repository is ever run. The
    revision of a hub id is its commit, that of a folder a hash of its files.

    Raises:
        MissingBackendError: not there, not complete, or of a kind that the installed transformers
            does not know.
        CorruptFileError: a weight file is damaged, or does not hold every weight of the model.
    """
    folder = Path(model).expanduser()
    if _is_path(model) and not folder.is_dir():
        raise MissingBackendError(f"{model} is no folder. {_download_hint(model, revision)}")
    source = str(folder) if folder.is_dir() else model
    try:
        processor, network, report = _load(source, revision, dtype)
    except SafetensorError as error:
        raise CorruptFileError(
            f"{model}: a weight file is damaged ({error}). {_download_hint(model, revision)}"
        ) from error
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise MissingBackendError(
            f"{model} cannot be loaded: {first_line(error)} {_download_hint(model, revision)}"
        ) from error
    # transformers makes an empty tokenizer where tokenizer.json is missing.
    if not _tokenizer_round_trips(processor.tokenizer):
        raise MissingBackendError(
            f"{model}: the tokenizer's files are not all there. {_download_hint(model, revision)}"
        )
    # What transformers would only warn of: such weights are random numbers.
    absent = sorted(map(str, [*report["missing_keys"], *report["mismatched_keys"]]))
    if absent:
        raise CorruptFileError(
            f"{model}: {len(absent)} weights are absent or of another shape, such as {absent[0]}. "
            f"They would be random, so nothing was loaded. {_download_hint(model, revision)}"
        )
    return network, processor, f"{model}@{_revision(source, network)}"


def _is_path(model: str) -> bool:
    return model.startswith((".", "/", "~"))


def _load(source: str, revision: str | None, dtype: torch.dtype) -> tuple[Any, Any, Any]:
    """Processor, model and transformers' report on its weights."""
    options: dict[str, Any] = {"revision": revision or "main", "trust_remote_code": False}
    processor = cast("Any", AutoProcessor).from_pretrained(source, **options)
    network, report = cast("Any", AutoModelForImageTextToText).from_pretrained(
        source,
        dtype=dtype,
        use_safetensors=True,
        output_loading_info=True,
        ignore_mismatched_sizes=True,  # reported, and refused by the caller
        **options,
    )
    return processor, network, report


def _tokenizer_round_trips(tokenizer: Any) -> bool:
    text = "Is the cup on the shelf? True, 5 of 5."
    tokens = tokenizer(text, add_special_tokens=False)["input_ids"]
    decoded = tokenizer.decode(tokens)
    # Some tokenizers lower the case or move blanks, and are whole all the same.
    return decoded.replace(" ", "").lower() == text.replace(" ", "").lower()


def _revision(source: str, network: Any) -> str:
    if not Path(source).is_dir():
        return str(getattr(network.config, "_commit_hash", None) or "unknown")
    digest = hashlib.sha256()
    for file in sorted(
        file for file in Path(source).iterdir() if file.suffix in MODEL_FILE_SUFFIXES
    ):
        with file.open("rb") as content:
            # The name, too: the same contents under exchanged names are another model.
            digest.update(file.name.encode() + hashlib.file_digest(content, "sha256").digest())
    return digest.hexdigest()[:16]


def _download_hint(model: str, revision: str | None) -> str:
    pinned = f" --revision {revision}" if revision else " --revision COMMIT"
    if _is_path(model):
        return (
            "Put a whole model there (config.json, *.safetensors, the tokenizer's and the "
            "processor's files): "
            f"`hf download OWNER/NAME{pinned} --local-dir {model}`."
        )
    return (
        f"Download it with `hf download {model}{pinned}`, which puts it into the Hugging Face "
        f"cache (HF_HOME), or add "
        "`--local-dir FOLDER` and give model=FOLDER. Only classes of the installed transformers "
        "are used, never code "
        "from a repository."
    )
