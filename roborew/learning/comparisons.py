"""Which of two pieces of video was called the better one, as rows of one stack of frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roborew.learning.sampling import Indices


@dataclass(frozen=True, slots=True)
class FrameComparisons:
    """Comparisons of pieces of one length.

    Attributes:
        segments: rows of the stack of all episodes' frames, shape (N, 2, length).
        label: how much speaks for the second, in [0, 1], shape (N,), float32.
    """

    segments: Indices
    label: NDArray[np.float32]
