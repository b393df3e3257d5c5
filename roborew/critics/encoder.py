"""What turns frames into the vectors that critics learn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from roborew.critics.objective import Features, Report
from roborew.types import Video


@dataclass(frozen=True, slots=True, kw_only=True)
class Footage:
    """One episode as an encoder may learn from it.

    Attributes:
        frames: shape (T, H, W, 3), uint8 RGB.
        text: the instruction embedded, shape (E,).
        progress: labels in [0, 1], shape (T,), NaN where nobody knows; None where there are none.
        success: whether the goal holds, shape (T,); None where nobody knows.
        also: other sentences that mean the same, embedded, shape (E,) each.
        wrong: sentences that the episode does not fulfil, embedded, shape (E,) each.
    """

    frames: Video
    text: NDArray[np.float32]
    progress: NDArray[np.float32] | None = None
    success: NDArray[np.bool_] | None = None
    also: tuple[NDArray[np.float32], ...] = ()
    wrong: tuple[NDArray[np.float32], ...] = ()


class Encoder(Protocol):
    """Frames and sentences to vectors. The same frame gives the same vector, alone or in a batch.

    The class is registered in `roborew.registry.encoders`; its constructor takes keyword-only settings of simple
    types, always ``seed: int = 0`` and ``device: str = "cpu"``.
    """

    @property
    def identity(self) -> str:
        """Architecture, weights and preprocessing: two encoders of one identity give equal vectors."""
        ...

    def learn(self, footage: Sequence[Footage], report: Report) -> None:
        """Fit to the demonstrations, where the encoder learns at all; a frozen one does nothing."""
        ...

    def encode(self, frames: Video) -> Features:
        """Vectors (T, D) of frames (T, H, W, 3) of any size."""
        ...

    def encode_text(self, sentence: str) -> NDArray[np.float32]:
        """The sentence's vector, shape (E,), of length one."""
        ...

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """Everything learned here, as named arrays; empty for a frozen encoder, whose weights lie elsewhere."""
        ...

    def load(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `arrays` returned."""
        ...
