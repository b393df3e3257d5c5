"""The experiment runs from episodes to table and picture, says why it cannot, and its page shows
what was measured."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from experiments.real_robot.run import CRITICS, FIGURES, HERE, KEY, figures, main, table
from roborew.data import write_video

QUICK = (
    "--seeds",
    "0",
    "1",
    "--critics",
    "grm",
    "--fps",
    "5",
    "--encoder-settings",
    "steps=2",
    "--critic-settings",
    "steps=4",
)


def write_episode(folder: Path, length: int) -> None:
    folder.mkdir()
    for number, camera in enumerate(("high", "wrist")):
        frames = np.zeros((length, 24, 32, 3), np.uint8)
        for t in range(length):
            frames[t, 4:20, : 4 + 20 * t // length] = 80 + 100 * number
        write_video(folder / f"{camera}.mp4", frames, 10)
    marks = [{"anotation": "a", "start_frame_id": 1, "end_frame_id": length - 2}]
    (folder / "annotated_keyframes.json").write_text(json.dumps(marks))


def read(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text("utf-8").splitlines()))


def test_every_episode_scores_every_other_one_beside_its_sanity_baselines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, length in (("one", 12), ("two", 15)):
        write_episode(tmp_path / name, length)
    (tmp_path / "task_instruction.json").write_text('["tidy up"]')
    assert main(["--data", str(tmp_path), "--out", str(tmp_path / "out"), *QUICK]) == 0
    rows = read(tmp_path / "out/results.csv")
    assert len(rows) == 2 * 2 * 3
    assert {(row["fitted"], row["scored"]) for row in rows} == {("one", "two"), ("two", "one")}
    clocks = [float(row["spearman"]) for row in rows if row["scorer"] == "clock"]
    assert min(clocks) > 0.9 and len(clocks) == 4
    assert (tmp_path / "out/curves.jpg").stat().st_size > 0
    assert capsys.readouterr().out.splitlines() == table(rows)


def test_without_the_clips_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", str(tmp_path / "nowhere"), "--out", str(tmp_path / "out")]) == 1
    assert "no demonstrations; expected" in capsys.readouterr().err
    write_episode(tmp_path / "one", 12)
    (tmp_path / "one/task_instruction.json").write_text('["tidy up"]')
    assert main(["--data", str(tmp_path), "--out", str(tmp_path / "out")]) == 1
    assert "expected two episodes with key frames; got 1" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_flat_curve_has_no_order_and_a_falling_one_the_wrong_one() -> None:
    truth = np.linspace(0, 1, 5, dtype=np.float32)
    assert figures(np.full(5, 0.25), truth) == {"spearman": 0, "kendall": 0, "final_score": 0.25}
    assert figures(1 - truth.astype(np.float64), truth) == pytest.approx(
        {"spearman": -1, "kendall": -1, "final_score": 0}
    )


def test_the_page_shows_the_rows_that_were_measured_all_of_them() -> None:
    rows = read(HERE / "results.csv")
    assert set(rows[0]) == {*KEY, *FIGURES}
    seeds = {row["seed"] for row in rows}
    assert {(row["critic"], row["seed"]) for row in rows} == {
        (c, s) for c in CRITICS for s in seeds
    }
    assert len(rows) == 2 * 3 * len(seeds) * len(CRITICS) and len(seeds) >= 2
    assert "\n".join(table(rows)) in (HERE / "README.md").read_text()
