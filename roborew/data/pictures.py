"""Pictures in and out of files, and several in one."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np

from roborew.errors import CorruptFileError, InvalidInputError
from roborew.storage.staging import Target, new_file
from roborew.types import Frame, Video, check_video

PICTURE_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
"""What is read; others of Pillow's start programs or are hardly ever met."""
PICTURE_ERRORS = (
    *(OSError, SyntaxError, ValueError, TypeError, LookupError, EOFError),
    *(ArithmeticError, struct.error, zlib.error),
)
"""What Pillow raises of damaged files, depending on the format."""
MAX_PICTURE_PIXELS = 1 << 26
"""Pixels of a picture that is read, at most: half a megabyte of PNG may unfold to gigabytes."""
MAX_GIF_FPS = 50
"""A GIF counts hundredths of a second, and browsers slow down what is faster [1/s]."""


def read_picture(path: str | Path) -> Frame:
    """Read a PNG, JPEG or other still picture as (H, W, 3) uint8 RGB; transparency is dropped, grey
    becomes RGB.

    Raises:
        InvalidInputError: no such file, or more than `MAX_PICTURE_PIXELS`.
        CorruptFileError: it cannot be decoded.
    """
    import imageio.v3 as iio

    if not Path(path).is_file():
        raise InvalidInputError(f"{path}: no such file; expected a picture (PNG, JPEG).")
    check_picture_header(path, str(path))
    with picture_errors(str(path)):
        # Of an animation the first picture; a mode that Pillow knows, so that no scale is guessed.
        picture = cast(Any, iio).imread(path, plugin="pillow", index=0, mode="RGB")
        return np.asarray(picture, np.uint8)


def check_picture_header(source: str | Path | bytes, name: str) -> None:
    """Raise if a picture, a file or its content, is too large or none; ``name`` is for messages.

    Raises:
        InvalidInputError: more than `MAX_PICTURE_PIXELS`; nothing was decoded.
        CorruptFileError: no picture.
    """
    from PIL import Image

    with picture_errors(name):
        # Opening reads the header alone.
        file = io.BytesIO(source) if isinstance(source, bytes) else source
        with Image.open(file, formats=PICTURE_FORMATS) as header:
            width, height = header.size
    if width * height > MAX_PICTURE_PIXELS:
        raise InvalidInputError(
            f"{name}: {width} x {height} pixels; the limit is {MAX_PICTURE_PIXELS} in all. Scale "
            f"it down."
        )


@contextmanager
def picture_errors(name: str) -> Generator[None]:
    """Raise what Pillow raises of damaged files as one error."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            # A damaged header is warned of by the library, and said here.
            warnings.simplefilter("ignore")
            yield
    except PICTURE_ERRORS as error:
        raise CorruptFileError(
            f"{name}: expected a picture ({', '.join(PICTURE_FORMATS)}); it cannot be decoded "
            f"({error})."
        ) from error
    except Image.DecompressionBombError as error:
        raise InvalidInputError(f"{name}: too large a picture ({error}).") from error


def write_gif(path: Target, frames: Video, fps: float) -> Path:
    """Write frames, shape (T, H, W, 3), uint8 RGB, as a GIF that loops, into a new file.

    Raises:
        RunExistsError: the file exists; nothing was written.
        InvalidInputError: frames of another kind, or no speed.
    """
    import imageio.v3 as iio

    check_video(frames)
    if not 0 < fps <= MAX_GIF_FPS:
        raise InvalidInputError(f"fps: expected a number in (0, {MAX_GIF_FPS}]; got {fps}.")
    with new_file(path) as staged:
        # Pillow takes the duration of one frame [ms], not a rate.
        milliseconds = round(1000 / fps)
        options: dict[str, Any] = {"plugin": "pillow", "duration": milliseconds, "loop": 0}
        cast(Any, iio).imwrite(
            staged.staging, frames, **options
        )  # imageio types its options loosely
    return staged.path


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
