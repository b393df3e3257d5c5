"""One picture from a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from roborew.errors import CorruptFileError, InvalidInputError
from roborew.types import Frame


def read_picture(path: str | Path) -> Frame:
    """Read a PNG, JPEG or other still picture as (H, W, 3) uint8 RGB; transparency is dropped, grey becomes RGB.

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
        raise CorruptFileError(f"{path}: expected a picture (PNG, JPEG); it cannot be decoded ({error}).") from error
