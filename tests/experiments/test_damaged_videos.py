"""A film, picture or table is read whole or gives a typed error, whatever happened to its bytes, and
the process lives on.

The quick part of experiments/damaged_videos, on clips made here; real clips too where they are.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from experiments.damaged_videos.clips import FRAMES, IRREGULAR, LAWFUL, hum, lawful, pictures, write
from experiments.damaged_videos.mutations import DAMAGES
from experiments.damaged_videos.originals import Original, pictures_of_all_formats, tables_of_a_set
from experiments.damaged_videos.reading import CRASH, HANG, Reader, read
from experiments.damaged_videos.run import outcome_of, real_clips
from roborew.data import read_video
from roborew.data.video.matroska import count_blocks

EACH = 20


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    with Reader() as process:
        yield process


@pytest.mark.parametrize("name", LAWFUL)
def test_an_odd_but_lawful_video_has_exactly_its_frames(name: str, tmp_path: Path) -> None:
    path, frames = lawful(name, tmp_path)
    assert read(path).frames == frames


def test_a_film_that_lies_on_its_side_comes_upright(tmp_path: Path) -> None:
    stored = np.zeros((2, 48, 64, 3), np.uint8)
    stored[:, :24, :32] = 255
    shown = read_video(write(tmp_path / "turned.mp4", stored, rotation=-90))
    assert shown.shape == (2, 64, 48, 3)
    corners = [shown[0, y, x].mean() > 128 for y in (8, 56) for x in (8, 40)]
    assert corners == [False, True, False, False], (
        "what was left above is right above after a quarter to the right"
    )


def test_a_block_that_was_taken_out_of_a_varying_rate_is_missed(tmp_path: Path) -> None:
    """Matroska stores no count, and times alone do not tell frames that were left out from lost
    ones."""
    single = {"codec": "mjpeg", "pixels": "yuvj420p"}  # no frame needs another
    path = write(tmp_path / "variable.mkv", pictures(), times=IRREGULAR, **single)
    assert count_blocks(path) == [FRAMES]
    content = path.read_bytes()
    with av.open(str(path)) as container:
        places = [packet.pos for packet in container.demux() if packet.pos is not None]
    path.write_bytes(content[: places[3]] + content[places[4] :])
    reading = read(path)
    assert reading.typed and "-c copy" in reading.said


@pytest.mark.parametrize("kind", DAMAGES)
@pytest.mark.parametrize("name", ["as written by roborew", "Matroska", "Matroska of variable rate"])
def test_damage_is_said_or_changes_no_count(
    kind: str, name: str, reader: Reader, tmp_path: Path
) -> None:
    path, frames = lawful(name, tmp_path)
    content, rng = path.read_bytes(), np.random.default_rng(0)
    outcomes: list[str] = []
    for _ in range(EACH):
        path.write_bytes(DAMAGES[kind](content, rng))
        outcomes.append(outcome_of(reader.read(path), frames))
    expected = {"exact"} if kind == "untouched" else {"exact", "refused"}
    assert set(outcomes) <= expected, outcomes


@pytest.mark.parametrize("make", [pictures_of_all_formats, tables_of_a_set])
def test_damaged_pictures_and_tables_are_refused_or_whole(
    make: Callable[[Path], list[Original]], reader: Reader, tmp_path: Path
) -> None:
    rng = np.random.default_rng(2)
    originals = make(tmp_path / "whole")
    for original, damage in zip(originals * 11, list(DAMAGES) * 3, strict=False):
        content = DAMAGES[damage](original.file.read_bytes(), rng)
        reading = reader.read(original.write_damaged(content, tmp_path), original.kind)
        assert outcome_of(reading, original.count) in ("exact", "refused"), (damage, reading)


@pytest.mark.skipif(
    not real_clips(), reason="evaluation clips not present: set ROBOREW_EVAL_DATA to their folder"
)
def test_damaged_real_clips_are_refused_or_whole(reader: Reader, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    for (clip, frames), kind in zip(real_clips() * 2, list(DAMAGES) * 2, strict=False):
        path = tmp_path / "clip.mp4"
        path.write_bytes(DAMAGES[kind](clip.read_bytes(), rng))
        assert outcome_of(reader.read(path), frames) in ("exact", "refused"), (clip, kind)


@pytest.mark.parametrize("suffix", ["avi", "webm", "txt", "jpg"])
def test_a_wrong_suffix_changes_nothing(suffix: str, tmp_path: Path) -> None:
    path = write(tmp_path / "film.mp4", pictures())
    assert read(path.rename(path.with_suffix(f".{suffix}"))).frames == FRAMES


@pytest.mark.parametrize(
    "kind", ["sound alone", "empty", "folder", "pipe", "link to nothing", "no frame"]
)
def test_what_holds_no_picture_is_a_typed_error_at_once(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    if kind == "sound alone":
        hum(path)
    elif kind == "empty":
        path.touch()
    elif kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "no frame":
        write(path, pictures(0))
    else:
        path.symlink_to("nowhere")
    reading = read(path)
    assert (
        reading.frames is None
        and reading.typed
        and "film.mp4" in reading.said
        and reading.seconds < 1
    )


def test_a_process_that_dies_or_hangs_is_told_apart_and_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, frames = lawful("one frame", tmp_path)
    with Reader() as process:
        process.read(path)
        os.kill(process.pid, 11)
        assert process.read(path).error == CRASH
        assert process.read(path).frames == frames
        os.kill(process.pid, 19)
        monkeypatch.setattr("experiments.damaged_videos.reading.SECONDS", 0.2)
        assert process.read(path).error == HANG
