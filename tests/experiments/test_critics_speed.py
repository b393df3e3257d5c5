"""What `roborew fit` costs is measured as it is typed, and no row is lost or kept twice."""

from __future__ import annotations

import csv
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from experiments.critics.speed import COLUMNS, KEY, RESULTS, fit_row, keep
from tests.roborew.data.sets import write_as_folder


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_fit_is_timed_from_typing_to_the_written_critic_and_keeps_its_own_row(
    tmp_path: Path,
) -> None:
    demonstrations = write_as_folder(tmp_path / "drawer")
    row = fit_row(demonstrations, 1, ("--critic", "ridge", "--encoder", "mini", "--no-calibrate"))
    assert [row[name] for name in KEY] == ["fit", "ridge", "drawer, 4 episodes", "1"]
    assert float(row["value"]) > 0.5 and row["unit"] == "s"
    table = Path(shutil.copy(RESULTS, tmp_path / "speed.csv"))
    before = read(table)
    keep([row, row | {"value": "9.0"}, row | {"threads": "2"}], table)
    assert read(table) == [*before, row | {"value": "9.0"}, row | {"threads": "2"}]


def test_a_fit_that_fails_leaves_no_row(tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        fit_row(write_as_folder(tmp_path / "drawer"), 1, ("--critic", "nothing"))


def test_what_is_committed_has_one_row_for_each_measurement() -> None:
    rows = read(RESULTS)
    assert list(rows[0]) == list(COLUMNS) and all(np.isfinite(float(row["value"])) for row in rows)
    assert len({tuple(row[name] for name in KEY) for row in rows}) == len(rows)
