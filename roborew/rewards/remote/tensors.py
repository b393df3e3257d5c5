"""Arrays as safetensors and back, copied once on the way there and never on the way back; what
`safetensors.numpy` does with three copies and one. Nothing in them can run.

Format: https://huggingface.co/docs/safetensors, a header in JSON after its length in eight bytes, and
then the bytes of the arrays, one after another.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from math import prod
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from roborew.errors import InvalidInputError

Arrays = dict[str, NDArray[Any]]
Body = bytes | bytearray
NAMES = {
    **{f"u{size}": f"U{8 * size}" for size in (1, 2, 4, 8)},
    **{f"i{size}": f"I{8 * size}" for size in (1, 2, 4, 8)},
    **{f"f{size}": f"F{8 * size}" for size in (2, 4, 8)},
    "b1": "BOOL",
}
"""NumPy's short names of what safetensors holds -> its own."""
DTYPES = {name: np.dtype(f"<{short}") for short, name in NAMES.items()}
LENGTH_BYTES = 8
"""That say how long the header is."""
METADATA = "__metadata__"
PIECE = 2**19
"""Bytes that are sent at once: they stay in a core's cache, and their memory is used again."""


class Packed:
    """Arrays as safetensors, in pieces, so that they can be sent while they are made.

    Args:
        arrays: by name; they must not change until all is sent.
    """

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        tensors: dict[str, dict[str, Any]] = {}
        self._parts: list[memoryview] = []
        end = 0
        for name, array in arrays.items():
            part = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
            start, end = end, end + part.size
            tensors[name] = {
                "dtype": NAMES[array.dtype.newbyteorder("=").str[1:]],
                "shape": array.shape,
                "data_offsets": (start, end),
            }
            self._parts.append(part.data)
        header = json.dumps(tensors).encode()
        self._begin = len(header).to_bytes(LENGTH_BYTES, "little") + header
        self._size = len(self._begin) + end

    def __len__(self) -> int:
        """Bytes in all."""
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        """Pieces of about `PIECE` bytes, of a large array more."""
        piece: list[bytes | memoryview] = [self._begin]
        size = len(self._begin)
        for part in self._parts:
            if size >= PIECE:
                yield b"".join(piece)
                piece, size = [], 0
            piece.append(part)
            size += part.nbytes
        yield b"".join(piece)


def pack(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Return arrays as safetensors."""
    return b"".join(Packed(arrays))


def unpack(body: Body) -> Arrays:
    """Return the arrays of safetensors; they lie in ``body``, and are writable if it is.

    Raises:
        InvalidInputError: it is not safetensors, or holds what NumPy has no name for.
    """
    start = LENGTH_BYTES + int.from_bytes(body[:LENGTH_BYTES], "little")
    try:
        header = json.loads(bytes(body[LENGTH_BYTES:start]))
        arrays: Arrays = {}
        end = start
        for name, tensor in cast("dict[str, Any]", header).items():
            if name != METADATA:
                arrays[name], end = _array(body, tensor, start, end)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InvalidInputError("expected safetensors") from error
    if end != len(body):
        raise InvalidInputError("expected safetensors")
    return arrays


def _array(body: Body, tensor: Mapping[str, Any], start: int, end: int) -> tuple[NDArray[Any], int]:
    """The array that begins where the one before ended, and its end.

    Raises:
        ValueError: the header says something that the bytes are not.
    """
    dtype, shape = DTYPES[tensor["dtype"]], tensor["shape"]
    if not all(type(side) is int and side >= 0 for side in shape):
        raise ValueError(shape)
    size = prod(shape)
    offsets = [end - start, end - start + size * dtype.itemsize]
    if tensor["data_offsets"] != offsets:
        raise ValueError(tensor)
    array = np.frombuffer(body, dtype, size, end).reshape(shape)
    # Torch takes none whose numbers begin anywhere.
    return (array if array.flags.aligned else array.copy()), start + offsets[1]
