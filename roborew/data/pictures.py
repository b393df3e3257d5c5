"""One picture from a file, and several in one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from roborew.errors import CorruptFileError, InvalidInputError
from roborew.types import Frame


def read_picture(path: str | Path) -> Frame:
    """Read a PNG, JPEG or other still picture as (H, W, 3) uint8 RGB; transparency is dropped, grey
    becomes RGB.

    Raises:
        InvalidInputError: no such file.
        CorruptFileError: it cannot be decoded.
    """
    from PIL import Image, UnidentifiedImageError

    if not Path(path).is_file():
        raise InvalidInputError(f"{path}: no such file; expected a picture (PNG, JPEG).")
    try:
        with Image.open(path) as picture:
            return np.array(picture.convert("RGB"), np.uint8)
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise CorruptFileError(
            f"{path}: expected a picture (PNG, JPEG); it cannot be decoded ({error})."
        ) from error


def side_by_side(pictures: Sequence[Frame]) -> Frame:
    """Pictures of one moment as one frame, each at the size of the first; a single one is given
    back as it is.

    >>> side_by_side([np.zeros((6, 8, 3), np.uint8), np.ones((3, 4, 3), np.uint8)]).shape
    (6, 16, 3)
    """
    from PIL import Image

    height, width = pictures[0].shape[:2]
    sized = [
        one
        if one.shape[:2] == (height, width)
        else np.asarray(Image.fromarray(one).resize((width, height), Image.Resampling.BOX))
        for one in pictures
    ]
    return sized[0] if len(sized) == 1 else np.concatenate(sized, axis=1)
