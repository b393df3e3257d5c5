"""Weights and processor of a vision-language model, from the hub or a folder: whole and native, or
a helpful error."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError
from transformers import CONFIG_MAPPING, AutoModelForImageTextToText, AutoProcessor

from roborew.errors import CorruptFileError, MissingBackendError, first_line
from roborew.storage.json_files import read_json_object
from roborew.weights.budget import NetworkBudget
from roborew.weights.files import check_file, check_finite, check_names, file_sha256
from roborew.weights.folder import explain, vetted_folder
from roborew.weights.hub import hub_folder

logger = logging.getLogger(__name__)

CONFIG = "config.json"
WEIGHTS = "model*.safetensors"
MODEL_FILE_SUFFIXES = (".safetensors", ".json", ".jinja", ".txt", ".model")
"""Endings of the files that decide what a model in a folder answers."""


def load_pretrained(
    model: str, revision: str | None, dtype: torch.dtype, sha256: str | None = None
) -> tuple[Any, Any, str]:
    """Load a model, its processor and its identity ``model@revision``: of a hub id its commit, of a
    folder a hash of its files. No code and no pickle of a repository is ever run.

    Args:
        model: hub id or folder.
        revision: commit of a hub id.
        dtype: number format of the network.
        sha256: that its weight file must have; of several files, that of what ``sha256sum
            model*.safetensors`` prints.

    Raises:
        MissingBackendError: absent, not complete, or of a kind that transformers does not know.
        CorruptFileError: a weight file is damaged, has another checksum, or does not hold exactly
            the weights of the model; or a file sets what it may not.
    """
    folder = _find(model, revision)
    files = sorted(folder.glob(WEIGHTS))
    sizes = [size for file in files for size in check_file(file).values()]
    _check_sha256(model, files, sha256)
    hint = _download_hint(model, revision)
    _check_kind(model, folder)
    with explain(model):
        try:
            with NetworkBudget(sizes, model), vetted_folder(folder) as vetted:
                processor, network, report = _load(vetted, dtype)
        except SafetensorError as error:
            raise CorruptFileError(
                f"{model}: a weight file is damaged ({error}). {hint}"
            ) from error
        except (OSError, ValueError, KeyError, ImportError) as error:
            raise MissingBackendError(
                f"{model} cannot be loaded: {first_line(error)} {hint}"
            ) from error
    # transformers makes an empty tokenizer where tokenizer.json is missing.
    if not tokenizer_round_trips(processor.tokenizer):
        raise MissingBackendError(f"{model}: the tokenizer's files are not all there. {hint}")
    _check_weights(model, network, report)
    return network, processor, f"{model}@{revision_of(model, folder)}"


def _check_kind(model: str, folder: Path) -> None:
    """Raise where only code of the repository could load a model; of what is damaged, the loading says
    more."""
    path = folder / CONFIG
    config = read_json_object(path) if path.is_file() else {}
    kind = str(config.get("model_type"))
    if "auto_map" in config and kind not in CONFIG_MAPPING:
        raise MissingBackendError(
            f"{model}: a model of the type {kind!r}, which the installed transformers does not know; code "
            "from a repository is never run here. Serve it where that code is trusted, and ask it there: "
            "--judge openai --judge.base-url URL --judge.model NAME."
        )


def _find(model: str, revision: str | None) -> Path:
    folder = Path(model).expanduser()
    if folder.is_dir():
        return folder
    if _is_path(model):
        raise MissingBackendError(f"{model} is no folder. {_download_hint(model, revision)}")
    try:
        return hub_folder(model, [WEIGHTS], revision)
    except MissingBackendError as error:
        reason = first_line(error.__cause__ or error)
        raise MissingBackendError(
            f"{model} cannot be loaded: {reason} {_download_hint(model, revision)}"
        ) from error


def _check_sha256(model: str, files: list[Path], sha256: str | None) -> None:
    if sha256 is None:
        return
    sums = [file_sha256(file) for file in files]
    lines = [f"{digest}  {file.name}\n" for digest, file in zip(sums, files, strict=True)]
    actual = sums[0] if len(files) == 1 else hashlib.sha256("".join(lines).encode()).hexdigest()
    if actual != sha256.lower():
        raise CorruptFileError(
            f"{model}: expected weights of the SHA-256 {sha256.lower()}; got {actual}."
        )


def _check_weights(model: str, network: Any, report: dict[str, Any]) -> None:
    # transformers would only warn, and go on with random numbers or without what is left over.
    changed = [str(name) for name, *_ in report["mismatched_keys"]]
    check_names(model, report["missing_keys"], report["unexpected_keys"], changed)
    check_finite(model, network.state_dict())


def _is_path(model: str) -> bool:
    return model.startswith((".", "/", "~"))


def _load(folder: Path, dtype: torch.dtype) -> tuple[Any, Any, Any]:
    """Processor, model and transformers' report on its weights."""
    options: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}
    processor = cast("Any", AutoProcessor).from_pretrained(folder, **options)
    network, report = cast("Any", AutoModelForImageTextToText).from_pretrained(
        folder,
        dtype=dtype,
        use_safetensors=True,
        output_loading_info=True,
        ignore_mismatched_sizes=True,  # reported, and refused by the caller
        **options,
    )
    return processor, network, report


def tokenizer_round_trips(tokenizer: Any) -> bool:
    """Whether a tokenizer can read and write a sentence: one without its files cannot."""
    text = "Is the cup on the shelf? True, 5 of 5."
    tokens = tokenizer(text, add_special_tokens=False)["input_ids"]
    decoded = tokenizer.decode(tokens)
    # Some tokenizers lower the case or move blanks, and are whole all the same.
    return decoded.replace(" ", "").lower() == text.replace(" ", "").lower()


def revision_of(model: str, folder: Path) -> str:
    """Return the commit of a hub id; of a folder a hash of the files that decide what it answers.

    Args:
        model: hub id or folder.
        folder: where its files are.
    """
    if folder != Path(model).expanduser():
        return folder.name  # a snapshot of the hub's cache is called after its commit
    digest = hashlib.sha256()
    for file in sorted(file for file in folder.iterdir() if file.suffix in MODEL_FILE_SUFFIXES):
        with file.open("rb") as content:
            # The name, too: the same contents under exchanged names are another model.
            digest.update(file.name.encode() + hashlib.file_digest(content, "sha256").digest())
    return digest.hexdigest()[:16]


def _download_hint(model: str, revision: str | None) -> str:
    pinned = f" --revision {revision}" if revision else " --revision COMMIT"
    if _is_path(model) or Path(model).is_dir():
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
