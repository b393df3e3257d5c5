"""Ways in which a folder of weights is damaged, or made to take all memory."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

Damage = Callable[[Path, np.random.Generator], None]
"""Changes one file of a folder."""
ODD_VALUES = (None, [], {}, "x", True, -1, 0, 1e308, 10**12, 2**63, [[1, 2]], {"a": {"b": 1}})
LARGE = (10**4, 10**5, 10**6, 10**7, 10**9, 10**15)
DEEP = 10**6


def weights_of(folder: Path) -> Path:
    """The one file of weights of a folder."""
    return next(iter(sorted(folder.glob("*.safetensors"))))


def _settings_of(folder: Path, rng: np.random.Generator) -> Path:
    files = sorted(file for file in folder.glob("*.json") if file.name != "vocab.json")
    return files[rng.integers(len(files))]


def _truncate(folder: Path, rng: np.random.Generator) -> None:
    file = weights_of(folder)
    content = file.read_bytes()
    file.write_bytes(content[: rng.integers(len(content))])


def _flip(folder: Path, rng: np.random.Generator) -> None:
    """Bits of the header, or of the weights."""
    file = weights_of(folder)
    content = bytearray(file.read_bytes())
    end = len(content) if rng.random() < 0.5 else 8 + struct.unpack("<Q", content[:8])[0]
    for place in rng.integers(0, end, rng.integers(1, 9)):
        content[place] ^= 1 << int(rng.integers(8))
    file.write_bytes(content)
    _sign(folder)


def _length(folder: Path, rng: np.random.Generator) -> None:
    """The header says that it is longer than any memory."""
    file = weights_of(folder)
    claimed = (2**20, 2**27, 2**40, 2**62, 2**64 - 1)[rng.integers(5)]
    file.write_bytes(struct.pack("<Q", claimed) + file.read_bytes()[8:])
    _sign(folder)


def _shape(folder: Path, rng: np.random.Generator) -> None:
    """A tensor says that it is larger than its file."""
    file = weights_of(folder)
    content = file.read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8 : 8 + size])
    names = [name for name in header if name != "__metadata__"]
    tensor = header[names[rng.integers(len(names))]]
    tensor["shape"] = [int(rng.choice(LARGE)), int(rng.choice(LARGE))]
    if rng.random() < 0.5:
        tensor["data_offsets"] = [0, 4 * tensor["shape"][0] * tensor["shape"][1]]
    _write_header(file, json.dumps(header).encode(), content[8 + size :])
    _sign(folder)


def _deep_header(folder: Path, rng: np.random.Generator) -> None:
    file = weights_of(folder)
    _write_header(file, b'{"a":' + b"[" * DEEP + b"]" * DEEP + b"}", b"")
    _sign(folder)


def _write_header(file: Path, header: bytes, rest: bytes) -> None:
    file.write_bytes(struct.pack("<Q", len(header)) + header + rest)


def _no_numbers(folder: Path, rng: np.random.Generator) -> None:
    """NaN or infinity in one weight."""
    file = weights_of(folder)
    arrays = {name: array.copy() for name, array in load_file(file).items()}
    floating = [name for name, a in arrays.items() if a.dtype.kind == "f" and a.size]
    array = arrays[floating[rng.integers(len(floating))]]
    array.reshape(-1)[rng.integers(array.size)] = rng.choice([np.nan, np.inf, -np.inf])
    save_file(arrays, file, {"format": "pt"})
    _sign(folder)


def _other_tensors(folder: Path, rng: np.random.Generator) -> None:
    """One more, one less, or one under another name."""
    file = weights_of(folder)
    arrays = load_file(file)
    name = sorted(arrays)[rng.integers(len(arrays))]
    kind = rng.integers(3)
    moved = arrays[name] if kind == 0 else arrays.pop(name)
    if kind != 1:
        arrays[f"{name}_more"] = moved
    save_file(arrays, file, {"format": "pt"})
    _sign(folder)


def _no_object(folder: Path, rng: np.random.Generator) -> None:
    contents = [b"", b"[]", b"7", b"null", b'"x"', b"{", b"\xff\xfe", b"\xef\xbb\xbf{}", b"NaN"]
    _settings_of(folder, rng).write_bytes(contents[rng.integers(len(contents))])


def _deep(folder: Path, rng: np.random.Generator) -> None:
    begin, end = [(b"[", b"]"), (b'{"a":', b"}")][rng.integers(2)]
    nested = begin * DEEP + b"1" + end * DEEP
    _settings_of(folder, rng).write_bytes(b'{"model_type":' + nested + b"}")


def _odd_value(folder: Path, rng: np.random.Generator) -> None:
    """A value of another type, at any place of the settings."""
    _change(folder, rng, lambda value: ODD_VALUES[rng.integers(len(ODD_VALUES))])


def _large_value(folder: Path, rng: np.random.Generator) -> None:
    """A count or a size that no memory has room for, at any place of the settings."""
    _change(folder, rng, lambda value: int(rng.choice(LARGE)), numbers_only=True)


def _left_out(folder: Path, rng: np.random.Generator) -> None:
    file = _settings_of(folder, rng)
    content = json.loads(file.read_text())
    for place in _places(content):
        if rng.random() < 0.2:
            _part(content, place[:-1]).pop(place[-1], None)
    file.write_text(json.dumps(content))


def _no_file(folder: Path, rng: np.random.Generator) -> None:
    """A file is gone, or a folder in its place."""
    files = sorted(file for file in folder.iterdir() if file.is_file())
    file = files[rng.integers(len(files))]
    file.unlink()
    if rng.random() < 0.5:
        file.mkdir()


def _change(
    folder: Path,
    rng: np.random.Generator,
    new: Callable[[Any], Any],
    numbers_only: bool = False,
) -> None:
    file = _settings_of(folder, rng)
    content = json.loads(file.read_text())
    places = _places(content)
    if numbers_only:
        numbers = [p for p in places if type(_part(content, p)) is int]
        places = numbers or places
    for _ in range(rng.integers(1, 4)):
        place = places[rng.integers(len(places))] if places else ("model_type",)
        part = _part(content, place[:-1])
        if isinstance(part, dict):
            part[place[-1]] = new(part.get(place[-1]))
    file.write_text(json.dumps(content))


def _places(content: Any, place: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Where values stand in objects inside each other; vocabularies are left out."""
    if not isinstance(content, dict) or len(content) > 200:
        return []
    places = [(*place, name) for name in content]
    for name, value in content.items():
        places += _places(value, (*place, name))
    return places


def _part(content: Any, place: tuple[str, ...]) -> Any:
    for name in place:
        content = content.get(name) if isinstance(content, dict) else None
    return content if content is not None else {}


def _sign(folder: Path) -> None:
    """The checksum in a configuration follows: damage that it finds is too easy."""
    file = folder / "config.json"
    content = json.loads(file.read_text()) if file.exists() else {}
    if "sha256" in content:
        content["sha256"] = hashlib.sha256(weights_of(folder).read_bytes()).hexdigest()
        file.write_text(json.dumps(content))


DAMAGES: Mapping[str, Damage] = {
    "weights cut off": _truncate,
    "weights with flipped bits": _flip,
    "header of any length": _length,
    "tensor larger than the file": _shape,
    "header nested a million deep": _deep_header,
    "NaN or infinity": _no_numbers,
    "tensors of another network": _other_tensors,
    "no JSON object": _no_object,
    "JSON nested a million deep": _deep,
    "value of another type": _odd_value,
    "huge value": _large_value,
    "values left out": _left_out,
    "file gone": _no_file,
}
