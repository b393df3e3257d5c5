"""Files of weights: safetensors, whole, finite, of the network that they are for, and never
unpickled."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from roborew.errors import CorruptFileError, InvalidInputError, MissingBackendError

CONVERT = (
    "Pickled weights run code when they are read. Convert them once, where you trust the file: "
    'python -c "import sys, torch, safetensors.torch as s; '
    "w = torch.load(sys.argv[1], map_location='cpu', weights_only=True); "
    "inner = ('state_dict', 'model', 'vip', 'r3m', 'liv'); "
    "w = next((w[k] for k in inner if isinstance(w.get(k), dict)), w); "
    "w = {k: v.clone().contiguous() for k, v in w.items() if torch.is_tensor(v)}; "
    's.save_file(w, sys.argv[2])" '
    "weights.pt weights.safetensors"
)
MAX_NAMES = 4
"""Wrong tensors that a message names."""


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


def check_file(file: Path, sha256: str | None = None) -> dict[str, int]:
    """Look at a safetensors file before it is read, and return how many numbers each of its tensors
    has, by name.

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
        # The header says where the file must end, so no tensor is larger than its file.
        with cast(Any, safe_open)(file, "pt") as content:
            names: list[str] = list(content.keys())
            return {name: math.prod(content.get_slice(name).get_shape()) for name in names}
    except (SafetensorError, OSError) as error:
        raise CorruptFileError(
            f"{file} is damaged or only half downloaded ({file.stat().st_size:,} bytes; {error}). "
            f"Download it anew."
        ) from error


def read_tensors(
    file: Path, sha256: str | None = None, is_wanted: Callable[[str], bool] = lambda name: True
) -> dict[str, Tensor]:
    """Read a safetensors file on the CPU.

    Args:
        file: to read.
        sha256: as in `check_file`.
        is_wanted: whether the tensor of a name is read.

    Raises:
        CorruptFileError: as in `check_file`.
    """
    names = check_file(file, sha256)
    with cast(Any, safe_open)(file, "pt") as content:
        return {name: content.get_tensor(name) for name in names if is_wanted(name)}


def fill(network: nn.Module, tensors: Mapping[str, Tensor], file: Path) -> None:
    """Give a network all of its weights.

    Raises:
        CorruptFileError: weights are absent, left over, or of another shape: they are of another
            architecture; or they are NaN or infinite.
    """
    own = cast("dict[str, Tensor]", network.state_dict())
    changed = [
        f"{n} {tuple(tensors[n].shape)}"
        for n in own.keys() & tensors.keys()
        if own[n].shape != tensors[n].shape
    ]
    check_names(file, own.keys() - tensors.keys(), tensors.keys() - own.keys(), changed)
    check_finite(file, tensors)
    network.load_state_dict(dict(tensors), strict=True)


def check_names(
    place: object, absent: Iterable[str], extra: Iterable[str], changed: Iterable[str]
) -> None:
    """Refuse weights that are not exactly those of a network.

    Args:
        place: of the weights, for the message.
        absent: names of weights that the file lacks.
        extra: names of those that the network has no place for.
        changed: names of those of another shape.

    Raises:
        CorruptFileError: there are any.
    """
    faults = [("absent", absent), ("left over", extra), ("of another shape", changed)]
    problems: list[str] = []
    for kind, unsorted_names in faults:
        names = sorted(unsorted_names)
        if names:
            problems.append(f"{len(names)} {kind}, such as {', '.join(names[:MAX_NAMES])}")
    if problems:
        raise CorruptFileError(
            f"{place} does not hold the weights of this architecture: {'; '.join(problems)}. Nothing "
            "was loaded: what is absent or of another shape would be random, what is left over "
            "unused. Give the architecture that belongs to the file."
        )


def check_finite(place: object, tensors: Mapping[str, Tensor]) -> None:
    """Refuse weights that are no numbers.

    Raises:
        CorruptFileError: some are NaN or infinite; the message names them.
    """
    names = [name for name, tensor in tensors.items() if not _is_finite(tensor)]
    if names:
        raise CorruptFileError(
            f"{place}: {len(names)} weights are NaN or infinite, such as "
            f"{', '.join(sorted(names)[:MAX_NAMES])}. Scores of such a network mean nothing; "
            "download the file anew."
        )


def _is_finite(tensor: Tensor) -> bool:
    if not tensor.is_floating_point() or tensor.is_meta or not tensor.numel():
        return True
    # The extremes say it without a mask as large as the weights. A few formats of 8 bits know none.
    numbers = tensor if tensor.element_size() > 1 else tensor.float()
    smallest, largest = torch.aminmax(numbers)
    return bool(smallest.isfinite() & largest.isfinite())


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
