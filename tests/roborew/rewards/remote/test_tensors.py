"""Our reading of safetensors is the library's: what it takes we take alike, what it refuses we refuse."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from safetensors import SafetensorError
from safetensors.numpy import load, save

from roborew.errors import InvalidInputError
from roborew.rewards.remote.tensors import NAMES, PIECE, Packed, pack, unpack

ARRAYS: dict[str, np.ndarray[Any, Any]] = {
    "odd": np.arange(3, dtype=np.uint8),  # so that the next ones begin anywhere
    **{kind: np.arange(6).reshape(2, 3).astype(kind)[:, ::2] for kind in NAMES},
    "none": np.zeros((0, 3), np.float32),
    "scalar": np.array(2.5),
}


def assert_same(some: dict[str, Any], others: dict[str, Any]) -> None:
    assert some.keys() == others.keys()
    for name, array in some.items():
        assert (array.dtype, array.shape) == (others[name].dtype, others[name].shape)
        np.testing.assert_array_equal(array, others[name])


def test_any_kind_of_array_comes_back_and_the_library_reads_it() -> None:
    assert_same(unpack(pack(ARRAYS)), ARRAYS)
    assert_same(load(pack(ARRAYS)), ARRAYS)
    contiguous = {name: np.ascontiguousarray(array) for name, array in ARRAYS.items()}
    body = save(contiguous, {"who": "somebody"})
    assert_same(unpack(body), load(body))
    assert unpack(pack({})) == {}


def test_arrays_lie_in_the_body_and_torch_can_take_each() -> None:
    body = bytearray(pack(ARRAYS))
    arrays = unpack(body)
    assert all(array.flags.aligned and array.flags.writeable for array in arrays.values())
    arrays["odd"][0] = 9
    assert unpack(body)["odd"][0] == 9


def test_it_is_sent_in_pieces_as_often_as_it_takes() -> None:
    large = {str(row): np.full(PIECE // 3, row, np.uint8) for row in range(9)}
    packed = Packed(large)
    pieces = list(packed)
    assert len(packed) == sum(map(len, pieces)) and b"".join(pieces) == pack(large)
    assert len(pieces) == 3 and list(packed) == pieces
    assert_same(unpack(b"".join(pieces)), large)


def with_header(header: object, data: bytes = bytes(8)) -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def entry(**changes: object) -> dict[str, object]:
    return {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **changes}}


GOOD = with_header(entry())
BAD = {
    "nothing": b"",
    "half a length": GOOD[:5],
    "half a header": GOOD[:30],
    "half an array": GOOD[:-1],
    "more than it says": GOOD + b"\0",
    "a header longer than all": (2**60).to_bytes(8, "little") + GOOD[8:],
    "no JSON": (4).to_bytes(8, "little") + b"{{{{",
    "nested": (10**6).to_bytes(8, "little") + b"[" * 10**6,
    "no UTF-8": (4).to_bytes(8, "little") + b'{"\xff"',
    "a list": with_header([1]),
    "no tensor": with_header({"a": 1}),
    "no shape": with_header({"a": {"dtype": "F32", "data_offsets": [0, 8]}}),
    "a kind that nobody has": with_header(entry(dtype="F33")),
    "a kind that is a list": with_header(entry(dtype=["F32"])),
    "a negative side": with_header(entry(shape=[-2])),
    "two negative sides": with_header(entry(shape=[-1, -2])),
    "half a side": with_header(entry(shape=[2.0])),
    "a side that is a truth": with_header(entry(shape=[2, True])),
    "a huge side": with_header(entry(shape=[2**62, 4])),
    "no list of sides": with_header(entry(shape=2)),
    "other bytes than it needs": with_header(entry(data_offsets=[0, 4])),
    "a hole before": with_header(entry(data_offsets=[4, 12]), bytes(12)),
    "beyond the end": with_header(entry(data_offsets=[0, 8]), bytes(4)),
    "one over another": with_header({**entry(), "b": entry()["a"]}),
}


@pytest.mark.parametrize("name", BAD)
def test_what_the_library_refuses_is_refused(name: str) -> None:
    with pytest.raises((SafetensorError, ValueError, TypeError)):
        load(BAD[name])
    with pytest.raises(InvalidInputError, match="expected safetensors"):
        unpack(BAD[name])


def test_a_damaged_body_is_read_as_the_library_reads_it_or_refused() -> None:
    rng = np.random.default_rng(0)
    whole = pack({"a": np.arange(32, dtype=np.float32), "b": np.ones((1, 2), np.uint8)})
    read = 0
    for _ in range(3000):
        body = bytearray(whole)
        for place in rng.integers(0, len(body), rng.integers(1, 4)):
            body[place] = rng.integers(0, 256)
        try:
            ours = unpack(body)
        except InvalidInputError:
            continue
        assert_same(ours, load(bytes(body)))
        read += 1
    assert read > 100
