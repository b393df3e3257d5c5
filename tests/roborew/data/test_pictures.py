"""One picture from a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from roborew.data import read_picture
from roborew.errors import CorruptFileError, InvalidInputError

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
