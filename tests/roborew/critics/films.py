"""Demonstrations drawn as they are read: in each camera's picture a bar grows with progress."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from roborew.checks.synthetic import PUSH, progress_curve
from roborew.data.demonstration import Demonstration
from roborew.types import Frame


def demonstration(
    kind: str = "success",
    row: int = 0,
    length: int = 8,
    cameras: tuple[str, ...] = ("front",),
    size: tuple[int, int] = (24, 32),
    **changes: Any,
) -> Demonstration:
    """One of `progress_curve`'s kinds, its pictures of ``size`` (H, W); rows and cameras differ in how
    bright the scene is."""
    progress = progress_curve(kind, length)

    def frames(camera: str) -> Iterator[Frame]:
        for value in progress:
            frame = np.full((*size, 3), 20 + row + 30 * cameras.index(camera), np.uint8)
            frame[8:16, : 1 + int(30 * value)] = 250
            yield frame

    known: dict[str, Any] = {"progress": progress, "succeeded": kind == "success", "source": frames}
    return Demonstration(
        name=f"{kind}-{row}",
        length=length,
        fps=10.0,
        cameras=cameras,
        **({"instruction": PUSH} | known | changes),
    )
