"""One picture from a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from roborew.data import read_picture, write_gif
from roborew.errors import CorruptFileError, InvalidInputError, RunExistsError

RED = np.tile(np.array([255, 0, 0], np.uint8), (6, 8, 1))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "L"])
def test_every_kind_of_picture_becomes_rgb(mode: str, tmp_path: Path) -> None:
    Image.fromarray(RED).convert(mode).save(tmp_path / "goal.png")
    picture = read_picture(tmp_path / "goal.png")
    assert picture.shape == (6, 8, 3) and picture.dtype == np.uint8
    if mode != "L":
        np.testing.assert_array_equal(picture, RED)


def test_a_file_that_is_no_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "goal.png").write_bytes(b"\x89PNG\r\n\x1a\n, cut short")
    with pytest.raises(CorruptFileError, match="cannot be decoded"):
        read_picture(tmp_path / "goal.png")
    with pytest.raises(InvalidInputError, match="no such file"):
        read_picture(tmp_path / "absent.png")


def test_a_gif_shows_the_frames_that_were_written(tmp_path: Path) -> None:
    frames = np.stack([RED, 255 - RED, RED // 2])
    write_gif(tmp_path / "a.gif", frames, fps=10)
    with Image.open(tmp_path / "a.gif") as gif:
        assert (gif.n_frames, gif.info["duration"], gif.info["loop"]) == (3, 100, 0)
        for number, frame in enumerate(frames):
            gif.seek(number)
            shown = np.asarray(gif.convert("RGB")).astype(int)
            assert np.abs(shown - frame).max() <= 4, "a palette of 256 colors"
    np.testing.assert_array_equal(read_picture(tmp_path / "a.gif"), frames[0])


@pytest.mark.parametrize("fps", [0, -1, 51, float("nan")])
def test_a_gif_of_no_speed_is_refused_and_nothing_is_written(fps: float, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="fps"):
        write_gif(tmp_path / "a.gif", RED[None], fps)
    assert not list(tmp_path.iterdir())


def test_a_gif_is_never_written_over_another_file(tmp_path: Path) -> None:
    (tmp_path / "a.gif").write_bytes(b"mine")
    with pytest.raises(RunExistsError):
        write_gif(tmp_path / "a.gif", RED[None], 10)
    assert (tmp_path / "a.gif").read_bytes() == b"mine"
