"""A CSV grows by whole rows under the columns that it has, and shares compare what is alike."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.critics import agents
from experiments.critics.report import shares
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
        Rows(path, ("family",), ("order", "auroc")).add(
            {"family": "Press", "order": 0.5, "auroc": 1.0}
        )
    assert path.read_bytes() == before


def agent(reward: str, seed: int, success: float, **changes: str) -> dict[str, str]:
    row = {
        "family": "Press", "seed": str(seed), "reward": reward, "behaviors": "misses", "cameras": "front,side",
        "init_std": "1", "refitted": "0", "total_timesteps": str(agents.TOTAL_TIMESTEPS), "true_success": str(success),
    }  # fmt: skip
    return row | changes


def test_shares_are_of_agents_of_the_same_seeds_settings_and_steps() -> None:
    truth = {"behaviors": "", "cameras": ""}
    rows = [
        agent(agents.TRUTH, 0, 1.0, **truth), agent(agents.TRUTH, 1, 0.8, **truth),
        agent(agents.TRUTH, 1, 0.1, **truth, init_std="0.6"), agent(agents.TRUTH, 2, 0.1, **truth),
        agent("robometer", 0, 0.9), agent("robometer", 1, 0.72), agent("robometer", 1, 0.1, refitted="1"),
        agent("sarm", 1, 0.4), agent("sarm", 1, 0.1, cameras="front"), agent("sarm", 0, 0.1, total_timesteps="10"),
        agent("ridge, steps=5", 0, 0.1), agent("ridge", 3, 0.1),
    ]  # fmt: skip
    lines = {line.split(" | ")[0]: line for line in shares(rows).splitlines()}
    assert "0.90 (0, 1)" in lines["| `robometer`"]
    assert "0.50 (1)" in lines["| `sarm`"]
    assert "–" in lines["| `ridge`"] and "–" in lines["| `bradley_terry`"]
