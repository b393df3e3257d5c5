"""Video files: what goes in comes out, whole, and nothing is overwritten."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from roborew.data.video import (
    VideoLimits,
    VideoWriter,
    iter_video,
    read_video,
    video_info,
    write_video,
)
from roborew.errors import CorruptFileError, InvalidInputError, RunExistsError
from roborew.storage.staging import create_atomically, free_path
from roborew.types import Frame, Video


def clock_video(length: int = 12, height: int = 48, width: int = 64) -> Video:
    """Frame t is grey of level 20 t, so that order, count and content can be read back."""
    levels = (20 * np.arange(length)).astype(np.uint8)
    return np.broadcast_to(levels[:, None, None, None], (length, height, width, 3)).copy()


def test_a_video_comes_back_frame_by_frame(tmp_path: Path) -> None:
    frames = clock_video()
    write_video(tmp_path / "clock.mp4", iter(frames), fps=10)
    assert np.abs(read_video(tmp_path / "clock.mp4").astype(int) - frames).max() <= 4
    info = video_info(tmp_path / "clock.mp4")
    assert (info.width, info.height, info.fps, info.frames, info.seconds) == (64, 48, 10, 12, 1.2)


@pytest.mark.parametrize("colour", [(255, 0, 0), (0, 255, 0), (0, 0, 255)])
def test_red_stays_red(tmp_path: Path, colour: tuple[int, int, int]) -> None:
    """A swap of channels would pass every grey test."""
    frames = np.full((2, 32, 32, 3), colour, np.uint8)
    write_video(tmp_path / "colour.mp4", frames, fps=5)
    assert np.abs(read_video(tmp_path / "colour.mp4").astype(int) - frames).max() <= 6


def test_an_odd_side_repeats_its_last_line(tmp_path: Path) -> None:
    """yuv420p has even sides only; cutting would lose a line, scaling would blur all of them."""
    frames = clock_video(3, 33, 47)
    write_video(tmp_path / "odd.mp4", frames, fps=10)
    back = read_video(tmp_path / "odd.mp4")
    assert back.shape == (3, 34, 48, 3)
    assert np.abs(back[:, :33, :47].astype(int) - frames).max() <= 4


def test_browsers_can_play_it_from_the_first_byte(tmp_path: Path) -> None:
    path = write_video(tmp_path / "web.mp4", clock_video(), fps=10)
    content = path.read_bytes()
    assert content.find(b"moov") < content.find(b"mdat")
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")


@pytest.mark.parametrize("fps", [1, 12.5, 29.97, 240])
def test_the_frame_rate_survives(tmp_path: Path, fps: float) -> None:
    write_video(tmp_path / "rate.mp4", clock_video(30), fps=fps)
    assert video_info(tmp_path / "rate.mp4").fps == pytest.approx(fps, rel=1e-3)
    assert len(read_video(tmp_path / "rate.mp4")) == 30


def test_an_existing_video_is_never_overwritten(tmp_path: Path) -> None:
    path = write_video(tmp_path / "push.mp4", clock_video(), fps=10)
    before = path.read_bytes()
    with pytest.raises(RunExistsError, match=r"push-2\.mp4"):
        write_video(path, clock_video(3), fps=10)
    assert path.read_bytes() == before


def test_the_slower_of_two_writers_is_refused(tmp_path: Path) -> None:
    def race() -> None:
        with create_atomically(tmp_path / "report.html") as slow:
            slow.write_text("slow")
            with create_atomically(tmp_path / "report.html") as fast:
                fast.write_text("fast")

    with pytest.raises(RunExistsError):
        race()
    assert (tmp_path / "report.html").read_text() == "fast"
    assert os.listdir(tmp_path) == ["report.html"]


def test_a_free_path_counts_up(tmp_path: Path) -> None:
    assert free_path(tmp_path / "push.mp4") == tmp_path / "push.mp4"
    (tmp_path / "push.mp4").touch()
    (tmp_path / "push-2.mp4").touch()
    assert free_path(tmp_path / "push.mp4") == tmp_path / "push-3.mp4"


def broken_off() -> Any:
    yield clock_video()[0]
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("frames", "error"),
    [
        (broken_off(), KeyboardInterrupt),
        ([], InvalidInputError),
        ([np.zeros((8, 8, 3), np.uint8), np.zeros((8, 10, 3), np.uint8)], InvalidInputError),
        ([np.zeros((8, 8, 3), np.float32)], InvalidInputError),
        ([np.zeros((8, 8), np.uint8)], InvalidInputError),
    ],
)
def test_an_unfinished_video_leaves_nothing_behind(
    tmp_path: Path, frames: Any, error: type[BaseException]
) -> None:
    with pytest.raises(error):
        write_video(tmp_path / "half.mp4", frames, fps=10)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "fps"), [("push.avi", 10), ("push.mp4", 0), ("push.mp4", float("nan"))]
)
def test_an_unplayable_request_is_refused(tmp_path: Path, name: str, fps: float) -> None:
    with pytest.raises(InvalidInputError, match="expected"):
        VideoWriter(tmp_path / name, fps)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.97])
def test_a_cut_file_is_corrupt_and_not_a_shorter_video(tmp_path: Path, share: float) -> None:
    path = write_video(tmp_path / "whole.mp4", noise(20), fps=10)
    content = path.read_bytes()
    (tmp_path / "cut.mp4").write_bytes(content[: int(share * len(content))])
    with pytest.raises(CorruptFileError, match=r"cut\.mp4"):
        read_video(tmp_path / "cut.mp4")


def test_a_damaged_frame_is_corrupt(tmp_path: Path) -> None:
    path = write_video(tmp_path / "whole.mp4", noise(20), fps=10)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 400] = b"\xff" * 400
    (tmp_path / "damaged.mp4").write_bytes(content)
    with pytest.raises(CorruptFileError, match=r"damaged\.mp4"):
        read_video(tmp_path / "damaged.mp4")


@pytest.mark.parametrize(
    "text", ["not a video", "#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n", "ffconcat version 1.0\n"]
)
def test_a_text_or_a_playlist_is_no_video(tmp_path: Path, text: str) -> None:
    """Playlists name further files and hosts; they must not be followed."""
    (tmp_path / "list.mp4").write_text(text)
    with pytest.raises(CorruptFileError, match="cannot be decoded"):
        read_video(tmp_path / "list.mp4")


@pytest.mark.parametrize(
    "name", ["https://example.org/push.mp4", "concat:a.mp4|b.mp4", "missing.mp4"]
)
def test_only_local_files_are_opened(name: str) -> None:
    with pytest.raises(InvalidInputError, match="local file"):
        video_info(name)


@pytest.mark.parametrize(
    "limits",
    [
        VideoLimits(file_bytes=100),
        VideoLimits(frames=11),
        VideoLimits(seconds=1.0),
        VideoLimits(side=50),
        VideoLimits(decoded_bytes=3 * 48 * 64 * 3),
    ],
)
def test_a_video_over_a_limit_is_refused(tmp_path: Path, limits: VideoLimits) -> None:
    path = write_video(tmp_path / "long.mp4", clock_video(), fps=10)
    with pytest.raises(InvalidInputError, match="limit"):
        read_video(path, limits)


def noise(length: int) -> list[Frame]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 255, (48, 64, 3), dtype=np.uint8) for _ in range(length)]


def shared_clips() -> list[Any]:
    places = [os.environ.get("ROBOREW_EVAL_DATA"), "../shared/data", "shared/data"]
    root = Path(__file__).parents[3]
    folder = next(
        (root / place for place in places if place and (root / place / "manifest.jsonl").is_file()),
        None,
    )
    if folder is None:
        reason = "evaluation clips not present: set ROBOREW_EVAL_DATA to their folder"
        return [pytest.param(None, {}, marks=pytest.mark.skip(reason=reason))]
    lines = (folder / "manifest.jsonl").read_text("utf-8").splitlines()
    return [
        pytest.param(folder, json.loads(line), id=json.loads(line)["case_id"][-40:])
        for line in lines
    ]


@pytest.mark.parametrize(("folder", "case"), shared_clips())
def test_a_real_clip_has_exactly_the_frames_of_its_manifest(
    folder: Path, case: dict[str, Any]
) -> None:
    info = video_info(folder / case["video"])
    assert (info.width, info.height, info.fps) == (case["width"], case["height"], case["fps"])
    assert info.seconds == pytest.approx(case["duration_s"], abs=1e-3)
    if case["frames"] <= 500:  # the longer ones take seconds to decode
        assert sum(1 for _ in iter_video(folder / case["video"])) == case["frames"]
    else:
        assert info.frames == case["frames"]
