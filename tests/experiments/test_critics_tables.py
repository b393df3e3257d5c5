"""A CSV grows by whole rows under the columns that it has."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.critics.tables import Rows


def test_rows_are_found_again_by_what_names_them(tmp_path: Path) -> None:
    rows = Rows(tmp_path / "rows.csv", ("family", "seed"), ("order",))
    rows.add({"family": "Press", "seed": 0, "order": 0.123456})
    rows.put({"family": "Press", "seed": 0, "order": 0.5})
    assert ("Press", 0) in rows and ("Press", 1) not in rows
    assert rows.read() == [{"family": "Press", "seed": "0", "order": "0.5"}]


def test_a_row_is_not_written_under_other_columns(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    Rows(path, ("family",), ("order",)).add({"family": "Press", "order": 0.5})
    before = path.read_bytes()
    with pytest.raises(ValueError, match="expected the columns"):
        Rows(path, ("family",), ("order", "auroc")).add({"family": "Press", "order": 0.5, "auroc": 1.0})
    assert path.read_bytes() == before
