"""Films as people bring them: of varying rate, several sizes, damaged; each by its own times."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from experiments.damaged_videos.clips import FRAMES, IRREGULAR, pictures, write
from roborew import cli
from roborew.data.reading import read_demonstrations
from roborew.data.video import VideoLimits, header, iter_timestamped, read_video
from roborew.errors import InvalidInputError
from roborew.evaluation import Clock
from roborew.rewards.mini import BATCH_SIZE, Mini
from roborew.types import Clip
from roborew.workflows.score import (
    Outcome,
    datasets_of,
    find_sources,
    score_source,
    write_dataset_progress,
)
from tests.roborew.data.sets import LENGTHS, write_older
from tests.roborew.data.sets import write as write_set


def test_a_folder_of_all_kinds_is_scored_by_the_times_of_each_and_a_damaged_one_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    films = tmp_path / "films"
    films.mkdir()
    write(films / "varying.MP4", pictures(), times=IRREGULAR)
    write(films / "tall.mov", pictures(height=64, width=36))
    whole = write(films / "broken.mkv", pictures()).read_bytes()
    (films / "broken.mkv").write_bytes(whole[:1000])
    (films / "notes.txt").touch()
    out = tmp_path / "out"
    words = ["score", str(films), "--instruction", "open the drawer", "--out", str(out)]
    assert cli.main([*words, "--min-score", "2"]) == 1
    printed = capsys.readouterr().out
    assert "2 of 3 videos scored" in printed and "notes.txt" in printed
    assert "broken.mkv: not scored" in printed and "0.56 times as wide as high" in printed
    lines = [json.loads(line) for line in (out / "varying.mini.jsonl").read_text().splitlines()]
    assert [line["time"] for line in lines] == pytest.approx(np.array(IRREGULAR) / 40)
    shown = [time for time, _ in iter_timestamped(out / "varying.mini.mp4")][:FRAMES]
    expected = (np.array(IRREGULAR) - IRREGULAR[0]) / 40
    assert shown == pytest.approx(expected, abs=1e-3)
    assert len((out / "mini_summary.csv").read_text().splitlines()) == 4
    assert json.loads((out / "mini_kept.json").read_text())["kept"] == []


NTSC = Fraction(30_000, 1001)
REALTIME = {"deadline": "realtime", "cpu-used": "8"}
FILMS: dict[str, dict[str, Any]] = {
    "four_k.mp4": {
        "video": np.zeros((2, 2160, 3840, 3), np.uint8),
        "rate": 30,
        "options": {"preset": "ultrafast"},
    },
    "fast.mp4": {"video": pictures(), "rate": 120},
    "faster.mov": {"video": pictures(), "rate": 240},
    "broadcast.m4v": {"video": pictures(), "rate": NTSC},
    "telephone.MOV": {"video": pictures(height=36), "times": IRREGULAR, "rotation": 90},
    "upside_down.MP4": {"video": pictures(), "rate": NTSC, "rotation": 180},
    "browser.webm": {
        "video": pictures(height=90, width=160),
        "rate": 25,
        "codec": "libvpx-vp9",
        "options": REALTIME,
    },
}
"""Names and how they are written: telephones, cameras for slow motion, browsers."""


def test_every_film_is_scored_upright_and_by_its_own_times(tmp_path: Path) -> None:
    for name, settings in FILMS.items():
        write(tmp_path / name, **settings)
    sources = find_sources([tmp_path]).sources
    assert [source.path.name for source in sources] == sorted(FILMS)
    for source in sources:
        settings = FILMS[source.path.name]
        height, width = settings["video"].shape[1:3]
        rate = 40 if "times" in settings else settings["rate"]
        times = np.array(settings.get("times", range(len(settings["video"])))) / float(rate)
        scored = score_source(Clock(), source, "open the drawer")
        assert np.abs(scored.times - times).max() < np.diff(times).min() / 2, source.path
        is_turned = settings.get("rotation") == 90
        assert scored.size == ((width, height) if is_turned else (height, width)), source.path


def test_every_episode_of_data_sets_is_scored_under_its_sentence_and_written_in_their_numbers(
    tmp_path: Path,
) -> None:
    newer = write_set(tmp_path / "sets" / "newer")
    older = write_older(newer, tmp_path / "sets" / "older")
    (older / "videos/chunk-000/observation.images.front/episode_000001.mp4").write_bytes(b"")
    sources = find_sources([tmp_path / "sets", newer]).sources
    assert len(sources) == 2 * len(LENGTHS)
    outcomes: list[Outcome] = []
    for source in sources:
        scored = None
        if "older-episode-000001" not in source.name:
            scored = score_source(Clock(), source, source.instruction() or "")
        outcomes.append(Outcome(source, scored))
    said = [outcome.scored.instruction for outcome in outcomes if outcome.scored]
    assert said[:4] == ["open the drawer", "shut the drawer"] * 2
    for root, episodes in datasets_of(outcomes).items():
        table = pq.read_table(
            write_dataset_progress(root or tmp_path, Clock.spec, episodes, "clock")
        )
        np.testing.assert_array_equal(table["index"], np.arange(sum(LENGTHS)))
        np.testing.assert_array_equal(table["episode_index"], np.repeat(np.arange(4), LENGTHS))
        progress = np.split(table["progress_sparse"].to_numpy(), np.cumsum(LENGTHS)[:-1])
        expected = [np.linspace(0, 1, length, dtype=np.float32) for length in LENGTHS]
        if root == older:
            expected[1] = np.full(LENGTHS[1], np.nan, np.float32)
        for curve, line in zip(progress, expected, strict=True):
            np.testing.assert_array_equal(curve, line)
    with pytest.raises(InvalidInputError, match="holds LeRobotDatasets, not videos; name one: "):
        read_demonstrations(tmp_path / "sets", "open the drawer")


def test_frames_one_by_one_are_scored_to_the_last_bit_as_the_whole() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (BATCH_SIZE + 3, 20, 30, 3), dtype=np.uint8)
    model = Mini()
    (whole,) = model.score([Clip(frames=frames, instruction="open the drawer")])
    stream = model.score_stream(iter(frames), "open the drawer")
    np.testing.assert_array_equal(stream.value, whole.value)
    np.testing.assert_array_equal(stream.valid, whole.valid)


def test_a_film_that_is_too_large_decoded_is_refused_with_a_rate_that_fits(tmp_path: Path) -> None:
    path = write(tmp_path / "long.mp4", pictures())
    with pytest.raises(InvalidInputError, match=r"24 frames of 64 x 48 .*--fps 5"):
        read_video(path, VideoLimits(decoded_bytes=12 * 64 * 48 * 3))


def test_films_that_are_too_large_together_are_not_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("one", "two"):
        write(tmp_path / f"{name}.mp4", pictures())
    limits = VideoLimits(decoded_bytes=36 * 64 * 48 * 3)
    monkeypatch.setattr(header, "DEFAULT_LIMITS", limits)
    words = ["compare", str(tmp_path), "--instruction", "go", "--out", str(tmp_path / "scores")]
    assert cli.main(words) == 2
    assert "2 videos are 0.0 GiB decoded" in capsys.readouterr().err
    assert not (tmp_path / "scores").exists()
