"""The benchmarks' arithmetic; the figures themselves come from running them."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from experiments.benchmarks import scoring
from experiments.benchmarks.__main__ import COLUMNS, RESULTS, _as_text, _kept, _write
from experiments.benchmarks.calls import count_calls
from experiments.benchmarks.growing import straight
from experiments.benchmarks.measure import Row, compare, rate
from roborew.encoders.open_clip import load_open_clip
from roborew.rewards.clip import ClipReward
from tests.roborew.encoders.tiny_towers import tiny_clip


def test_the_sides_take_turns_and_the_median_of_the_turns_ratios_counts() -> None:
    turns: list[str] = []

    def side(name: str, rates: list[float]):
        left = iter([0.0, *rates])  # the first warms up

        def measure() -> float:
            turns.append(name)
            return next(left)

        return measure

    row = compare(
        "x", side("ours", [10, 30, 20]), side("peer", [5, 4, 10]), "frames/s", "how", repeats=3
    )
    assert turns == ["ours", "peer", "peer", "ours", "peer", "ours", "peer", "ours"]
    assert (row.ours, row.peer, row.ratio) == (20, 5, 2)
    assert row.settings == "how; 3 turns, paired ratios 2.00 to 7.50"


def test_a_cost_that_bends_is_far_from_its_line() -> None:
    sizes = [1.0, 10, 100, 1000]
    assert straight(sizes, [5 + 2 * size for size in sizes])[1] == pytest.approx(1)
    assert abs(straight(sizes, [size**1.5 for size in sizes])[1] - 1) > 0.15


def test_a_rate_counts_work_a_second() -> None:
    assert 0 < rate(lambda: 1, seconds=0.01) < rate(lambda: 1000, seconds=0.01)


def test_measuring_one_keeps_the_others_rows(tmp_path: Path) -> None:
    rows = [_as_text(Row(name, 1.0, 2.0, "u", 0.5, "s, t")) for name in ("drawing", "stepping")]
    _write(tmp_path / "results.csv", rows)
    assert _kept(tmp_path / "results.csv", ("stepping",)) == rows[:1]
    assert _kept(tmp_path / "absent.csv", ("stepping",)) == []


def test_the_committed_results_have_the_stated_columns() -> None:
    assert COLUMNS == ["benchmark", "ours", "peer", "unit", "ratio", "settings"]
    assert RESULTS.read_text().splitlines()[0] == ",".join(COLUMNS)


def test_scoring_measures_noise_and_both_ends_of_an_episode(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The way through, on a tiny model: the figures come from running it."""
    for name, value in {"SIZE": 64, "EPISODE": 6, "WINDOW": 2, "THREADS": 1}.items():
        monkeypatch.setattr(scoring, name, value)
    tiny = partial(load_open_clip, str(tiny_clip(tmp_path)))
    monkeypatch.setattr(scoring, "load_open_clip", lambda *_, **options: tiny(**options))
    monkeypatch.setattr(scoring, "ClipReward", lambda **_: ClipReward(model=str(tmp_path)))
    episode, noise = scoring._episode(), scoring._rounding("tiny", scoring._episode_frames(4))
    assert episode.ours > 0 and episode.ratio == episode.ours / episode.peer
    assert noise.ours > 0 and -1 <= noise.ratio <= 1


def test_few_calls_and_moves_lead_from_a_frame_to_a_reward() -> None:
    figures = count_calls().figures()
    assert figures["calls"] <= 70, figures
    assert figures["moves"] <= 50, figures
    assert figures["files"] <= 15, figures
