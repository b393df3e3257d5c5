"""Looks change pictures and nothing else, the same ones each time, and a table keeps one row for
each of them."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from experiments.robustness import kills
from experiments.robustness.run import FIELDS, RESULTS, Played, keep, measured, table
from roborew.rewards.mini import Mini
from roborew_envs.rendering.appearance import kinds, strengths


@pytest.fixture(autouse=True)
def _usual_checkpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    """A session of `kills` sets how often they are written, for its process."""
    monkeypatch.setattr(kills.logger, "CHECKPOINT_SECONDS", kills.logger.CHECKPOINT_SECONDS)


@pytest.fixture(scope="module")
def played() -> Played:
    return Played.of("Press", count=1)


def test_a_look_changes_every_picture_and_is_the_same_again(played: Played) -> None:
    own, first, again = (
        [clip.frames for clip in played.clips(*look)]
        for look in (("own", ""), ("light", "strong"), ("light", "strong"))
    )
    assert len(own) == len(played.episodes) == 2
    for one, other, same in zip(own, first, again, strict=True):
        assert one.shape == other.shape and (one != other).any(axis=(1, 2, 3)).all()
        np.testing.assert_array_equal(other, same)


def test_figures_are_of_all_episodes_and_in_range(played: Played) -> None:
    found = measured(Mini(), played, "own", "")
    assert found["episodes"] == 2 and found["spearman_pooled_ci_low"] <= found["spearman_pooled"]
    assert found["spearman_pooled"] <= found["spearman_pooled_ci_high"]
    assert found["spearman_pooled"] > 0.8 and 0 <= found["false_success_state_rate"] <= 1


def test_rows_measured_again_are_replaced_and_others_kept(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    row = dict.fromkeys(FIELDS, 1.0) | {
        "reward": "mini",
        "family": "Press",
        "kind": "own",
        "strength": "",
    }
    keep([row, row | {"family": "Push"}], path)
    keep([row | {"spearman_pooled": 0.5}], path)
    with path.open(newline="") as file:
        assert sorted((r["family"], r["spearman_pooled"]) for r in csv.DictReader(file)) == [
            ("Press", "0.5"),
            ("Push", "1"),
        ]


def test_what_is_committed_holds_every_look_once_for_each_reward_and_family() -> None:
    with RESULTS.open(newline="") as file:
        rows = list(csv.DictReader(file))
    looks = {("own", ""), *((kind, strength) for kind in kinds() for strength in strengths())}
    for group in {(row["reward"], row["family"]) for row in rows}:
        mine = [(r["kind"], r["strength"]) for r in rows if (r["reward"], r["family"]) == group]
        assert set(mine) == looks and len(mine) == len(looks)


def test_the_table_is_of_every_reward_and_family_of_the_rows() -> None:
    with RESULTS.open(newline="") as file:
        groups = {(row["reward"], row["family"]) for row in csv.DictReader(file)}
    head, _, *lines = table().splitlines()
    assert all(f"`{reward}`, {family}" in head for reward, family in groups)
    assert len(lines) > 1 and all(line.count("|") == len(groups) + 2 for line in lines)


def test_a_session_trains_what_is_compared(tmp_path: Path) -> None:
    """In this process, where there is nobody to kill it; a second session finds it finished."""
    config = kills.small("sb3-td3", "oracle-dense", 128)
    kills.preload(config)
    for _ in range(2):
        kills.session(config, tmp_path / "run")
    content = kills.Content.of(tmp_path / "run")
    assert len(content.records) == 2 and content.seconds > 0
    assert any(name.startswith("agent/replay/") for name in content.arrays)
    assert any(name.startswith("environment/") for name in content.arrays)
    assert content.equals(kills.Content.of(tmp_path / "run"))


@pytest.mark.parametrize("agent", sorted(kills.DEMONSTRATED))
def test_a_run_with_demonstrations_is_the_same_twice(agent: str, tmp_path: Path) -> None:
    demonstrations = kills.collect_demonstrations(
        kills.ENVIRONMENT, kills.DEMONSTRATIONS, tmp_path / "demonstrations"
    )
    config = kills.small(agent, "oracle-dense", 64, demonstrations)
    contents: list[kills.Content] = []
    for name in ("one", "two"):
        kills.session(config, tmp_path / name)
        contents.append(kills.Content.of(tmp_path / name))
    assert contents[0].equals(contents[1]) and contents[0].records


def test_a_difference_of_one_bit_is_seen() -> None:
    one = kills.Content({"weights": np.zeros(2, np.float32)}, [{"steps": 1}])
    assert one.equals(kills.Content({"weights": np.zeros(2, np.float32)}, [{"steps": 1}]))
    # Equal as numbers, but another bit.
    assert not one.equals(
        kills.Content({"weights": np.array([0.0, -0.0], np.float32)}, one.records)
    )
    assert not one.equals(kills.Content(one.arrays, [{"steps": 2}]))


def test_every_agent_was_killed_thirty_times_and_came_out_equal() -> None:
    with kills.RESULTS.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["agent"] for row in rows} == set(kills.AGENTS)
    assert all(int(row["kills"]) >= 30 and row["unequal"] == "0" for row in rows)
