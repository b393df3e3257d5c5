"""Films as people bring them: of varying rate, several sizes, damaged; each by its own times."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from experiments.damaged_videos.clips import FRAMES, IRREGULAR, pictures, write
from roborew import cli
from roborew.data.video import VideoLimits, iter_timestamped, read_video
from roborew.errors import InvalidInputError
from roborew.rewards.mini import BATCH_SIZE, Mini
from roborew.types import Clip


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
