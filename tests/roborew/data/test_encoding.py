"""How data sets hold their pictures: exact where that is promised, near where it is not, and found
by time."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import av
import av.logging
import numpy as np
import pytest

from roborew.data.encoding import ENCODINGS, Encoding, browser_encoding, find_encoding
from roborew.data.video import VideoWriter, iter_timestamped, read_video, write_video
from roborew.errors import InvalidInputError
from roborew.types import Video


def noise(length: int, height: int = 48, width: int = 64) -> Video:
    return np.random.default_rng(0).integers(0, 256, (length, height, width, 3), np.uint8)


def clock() -> Video:
    return np.stack([np.full((48, 64, 3), level, np.uint8) for level in range(0, 250, 25)])


def write(path: Path, frames: Video, codec: str, comment: str = "") -> Path:
    with VideoWriter(path, 25, encoding=find_encoding(codec), comment=comment) as writer:
        for frame in frames:
            writer.write(frame)
    return path


@pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="no such priorities here")
@pytest.mark.parametrize("codec", ENCODINGS)
def test_an_encoder_leaves_the_priority_of_its_caller_alone(tmp_path: Path, codec: str) -> None:
    """As root SVT-AV1 takes that of real time, and a browser that was begun later starved."""
    before = (os.sched_getscheduler(0), os.sched_getparam(0))
    with VideoWriter(tmp_path / "film.mp4", 25, encoding=find_encoding(codec)) as writer:
        for frame in clock():
            writer.write(frame)
            assert (os.sched_getscheduler(0), os.sched_getparam(0)) == before
    assert (os.sched_getscheduler(0), os.sched_getparam(0)) == before


@pytest.mark.parametrize("size", [(48, 64), (33, 47)])
def test_lossless_gives_back_every_bit_of_the_hardest_pictures(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    frames = noise(5, *size)
    np.testing.assert_array_equal(
        read_video(write(tmp_path / "noise.mp4", frames, "lossless")), frames
    )


@pytest.mark.parametrize("codec", ENCODINGS)
def test_a_stream_is_what_its_encoding_says(tmp_path: Path, codec: str) -> None:
    frames = clock()
    path = write(tmp_path / "grey.mp4", frames, codec, comment="drawing=fast")
    assert np.abs(read_video(path).astype(int) - frames).max() <= 6
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.codec.canonical_name == ENCODINGS[codec].codec
        assert container.metadata["comment"] == "drawing=fast"
        packets = [packet for packet in container.demux(stream) if packet.pts is not None]
    assert [packet.is_keyframe for packet in packets] == [True, False] * 5
    assert [packet.dts for packet in packets] == [packet.pts for packet in packets]


def test_reading_from_a_time_on_begins_at_the_key_frame_before_it(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clock.mp4", clock(), fps=25)
    whole = list(iter_timestamped(path))
    assert [time for time, _ in whole] == pytest.approx([i / 25 for i in range(10)])
    fine = write(tmp_path / "fine.mp4", clock(), "h264")
    times = [time for time, _ in iter_timestamped(fine, start=7 / 25)]
    assert times == pytest.approx([6 / 25, 7 / 25, 8 / 25, 9 / 25])


def test_an_unknown_codec_is_refused_with_the_list() -> None:
    with pytest.raises(InvalidInputError, match="Available: h264, av1, lossless"):
        find_encoding("vp9")


def test_a_codec_that_this_build_cannot_encode_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = replace(ENCODINGS["av1"], encoder="an encoder that nobody built")
    monkeypatch.setattr("roborew.data.encoding.ENCODINGS", {**ENCODINGS, "av1": absent})
    with pytest.raises(
        InvalidInputError, match="'av1': this build of PyAV cannot encode it; take 'h264'"
    ):
        find_encoding("av1")


@pytest.mark.parametrize("encoding", [browser_encoding(20), ENCODINGS["h264"]])
def test_h264_is_written_without_the_instructions_that_leave_bits_to_chance(
    encoding: Encoding, tmp_path: Path
) -> None:
    path = tmp_path / "grey.mp4"
    av.logging.set_level(av.logging.INFO)
    try:
        with av.logging.Capture() as logs, VideoWriter(path, 25, encoding=encoding) as writer:
            writer.write(clock()[0])
    finally:
        av.logging.set_level(None)
    said = [text for _, _, text in logs if "cpu capabilities" in text]
    assert len(said) == 1 and "AVX512" not in said[0], said


def test_av1_is_written_by_as_few_threads_as_its_encoder_takes(tmp_path: Path) -> None:
    """With its own number of threads it at times waits for itself for ever, and each of them costs
    memory."""
    with VideoWriter(tmp_path / "grey.mp4", 25, encoding=find_encoding("av1")) as writer:
        before = threads()
        writer.write(clock()[0])
        assert threads() - before < 25


def threads() -> int:
    """Of this process, those that libraries started too."""
    return len(list(Path("/proc/self/task").iterdir()))
