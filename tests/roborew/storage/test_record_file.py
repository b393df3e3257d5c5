"""Records of one size: what was written comes back, whole."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np

from roborew.storage.record_file import RecordFile, read_records

DTYPE = np.dtype([("number", "<i4"), ("row", "<f4", (3,))])


def records(first: int, count: int) -> np.ndarray:
    made = np.zeros(count, DTYPE)
    made["number"] = np.arange(first, first + count)
    made["row"] = made["number"][:, None] / 7
    return made


def test_what_was_appended_is_read_back_and_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "new" / "records.bin"
    assert len(read_records(path, DTYPE)) == 0
    with closing(RecordFile(path, DTYPE)) as file:
        file.append(records(0, 4))
        file.append(records(4, 2))
        assert len(file) == 6
        np.testing.assert_array_equal(read_records(path, DTYPE), records(0, 6))
        file.truncate(5)
        file.truncate(9)
        assert len(file) == 5
    with closing(RecordFile(path, DTYPE)) as file:
        file.append(records(5, 1))
        file.sync()
    np.testing.assert_array_equal(read_records(path, DTYPE), records(0, 6))


def test_a_torn_record_is_none(tmp_path: Path) -> None:
    path = tmp_path / "records.bin"
    with closing(RecordFile(path, DTYPE)) as file:
        file.append(records(0, 2))
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:5])
    np.testing.assert_array_equal(read_records(path, DTYPE), records(0, 2))
    with closing(RecordFile(path, DTYPE)) as file:
        file.append(records(2, 1))
    np.testing.assert_array_equal(read_records(path, DTYPE), records(0, 3))
