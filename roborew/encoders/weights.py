"""Weights of embedding towers: found on disk or on the hub, whole, checked, and never unpickled."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import huggingface_hub
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError
from safetensors import SafetensorError, safe_open
from safetensors import torch as safetensors_torch
from torch import Tensor, nn

from roborew.errors import CorruptFileError, InvalidInputError, MissingBackendError, first_line

hub = cast(Any, huggingface_hub)
HUB = "hf-hub:"
TOKENIZER_FILES = ("*.json", "*.model", "*.txt")
CONVERT = (
    "Pickled weights run code when they are read. Convert them once, where you trust the file: "
    'python -c "import sys, torch, safetensors.torch as s; w = torch.load(sys.argv[1], weights_only=True); '
    "w = w.get('state_dict', w); s.save_file({k: v.contiguous() for k, v in w.items()}, "
    'sys.argv[2])" '
    "weights.bin weights.safetensors"
)


def local_file(path: str) -> Path:
    """Return a weight file on disk.

    Raises:
        MissingBackendError: no such file.
        InvalidInputError: it is no safetensors file.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        raise MissingBackendError(
            f"weights: no file {path}. Put a .safetensors file there. {CONVERT}"
        )
    if file.suffix != ".safetensors":
        raise InvalidInputError(f"weights: expected a .safetensors file; got {path}. {CONVERT}")
    return file


def hub_file(repository: str, names: Sequence[str], revision: str | None) -> Path:
    """Return the first of ``names`` that a repository of the Hugging Face hub has, downloaded if it
    is not yet here.

    Raises:
        MissingBackendError: it cannot be had; the message says what to download and where to put
            it.
    """
    reason = "it has none of these files"
    for name in names:
        try:
            return Path(hub.hf_hub_download(repository, name, revision=revision))
        # First, since it is an EntryNotFoundError too: the hub was out of reach.
        except LocalEntryNotFoundError as error:
            reason = first_line(error)
        except EntryNotFoundError:
            continue
        except (OSError, ValueError) as error:
            raise MissingBackendError(
                _missing(repository, names, revision, first_line(error))
            ) from error
    raise MissingBackendError(_missing(repository, names, revision, reason))


def hub_folder(repository: str, weights: str, revision: str | None) -> Path:
    """Return a folder with a repository's weight file, its configuration and its tokenizer; errors
    as in `hub_file`."""
    try:
        return Path(
            hub.snapshot_download(
                repository, revision=revision, allow_patterns=[weights, *TOKENIZER_FILES]
            )
        )
    except (OSError, ValueError) as error:
        raise MissingBackendError(
            _missing(repository, [weights], revision, first_line(error))
        ) from error


def check_file(file: Path, sha256: str | None = None) -> None:
    """Look at a safetensors file before it is read.

    Args:
        file: to look at.
        sha256: of its content, in hexadecimal; not checked if not given.

    Raises:
        CorruptFileError: another checksum, half a file, or no safetensors file at all.
    """
    if sha256 is not None and (actual := file_sha256(file)) != sha256.lower():
        raise CorruptFileError(
            f"{file}: expected the SHA-256 {sha256.lower()}; got {actual}. Download it anew."
        )
    try:
        with cast(Any, safe_open)(file, "pt"):
            pass  # the header says where the file must end
    except (SafetensorError, OSError) as error:
        raise CorruptFileError(
            f"{file} is damaged or only half downloaded ({file.stat().st_size:,} bytes; {error}). "
            f"Download it anew."
        ) from error


def read_tensors(file: Path, sha256: str | None = None) -> dict[str, Tensor]:
    """Read a safetensors file on the CPU; arguments and errors as in `check_file`."""
    check_file(file, sha256)
    return cast("dict[str, Tensor]", cast(Any, safetensors_torch).load_file(file))


def fill(network: nn.Module, tensors: Mapping[str, Tensor], file: Path) -> None:
    """Give a network all of its weights.

    Raises:
        CorruptFileError: weights are absent, left over, or of another shape: they are of another
            architecture.
    """
    own = cast("dict[str, Tensor]", network.state_dict())
    absent, extra = sorted(own.keys() - tensors.keys()), sorted(tensors.keys() - own.keys())
    shapes = [
        f"{n} {tuple(tensors[n].shape)}"
        for n in own.keys() & tensors.keys()
        if own[n].shape != tensors[n].shape
    ]
    faults = [("absent", absent), ("left over", extra), ("of another shape", sorted(shapes))]
    problems = [f"{len(names)} {kind}, such as {names[0]}" for kind, names in faults if names]
    if problems:
        raise CorruptFileError(
            f"{file} does not hold the weights of this architecture: {'; '.join(problems)}. Nothing "
            f"was loaded; "
            "give the architecture that belongs to the file."
        )
    network.load_state_dict(dict(tensors), strict=True)


def without_prefix(tensors: Mapping[str, Tensor], prefixes: Sequence[str]) -> dict[str, Tensor]:
    """Drop each of the prefixes, in order, that all names have."""
    named = dict(tensors)
    for prefix in prefixes:
        if named and all(name.startswith(prefix) for name in named):
            named = {name.removeprefix(prefix): tensor for name, tensor in named.items()}
    return named


def file_sha256(file: Path) -> str:
    """SHA-256 of a file in hexadecimal."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


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
