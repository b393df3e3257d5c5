"""Pictures in the sizes that released judges were given."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from PIL import Image

from roborew.types import Frame

PATCH = 28
"""Sides are multiples of it: a patch of 14 pixels, merged by two."""
GRM_PIXELS = (12_544, 76_800)
"""Least and most of one picture, as Robo-Dopamine's inference sets them."""
VLAC_EDGE = 448


def within_pixels(frame: Frame, limits: tuple[int, int] = GRM_PIXELS, factor: int = PATCH) -> Frame:
    """Return a picture of sides that are multiples of a factor, its area within limits [pixels], as
    Qwen's processors choose them."""
    from transformers.models.qwen2_vl import image_processing_qwen2_vl as qwen

    smart_resize = cast(Any, qwen).smart_resize
    height, width = smart_resize(*frame.shape[:2], factor, *limits)
    return _resized(frame, height, width, Image.Resampling.BICUBIC)


def squashed(frame: Frame, edge: int = VLAC_EDGE) -> Frame:
    """Return a square picture, whatever its sides were."""
    return _resized(frame, edge, edge, Image.Resampling.LANCZOS)


def _resized(frame: Frame, height: int, width: int, resampling: Image.Resampling) -> Frame:
    if frame.shape[:2] == (height, width):
        return frame
    picture = Image.fromarray(np.ascontiguousarray(frame))
    return np.array(picture.resize((width, height), resampling))
