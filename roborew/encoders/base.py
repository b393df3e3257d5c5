"""What turns frames into the vectors that critics learn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from roborew.encoders.text import embed_text
from roborew.errors import InvalidInputError
from roborew.learning.comparisons import FrameComparisons
from roborew.learning.examples import EpisodeFrames, Features, Report
from roborew.types import Frame, Video


class FrozenEncoder:
    """An `Encoder` but for its identity and `encode`; its weights lie in a place of their own.

    Args:
        name: of the encoder, for messages.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def learn(self, episodes: Sequence[EpisodeFrames], report: Report) -> None:
        """Nothing: it is frozen."""

    def encode_text(self, sentence: str) -> NDArray[np.float32]:
        """The sentence's vector, shape (E,)."""
        return embed_text(sentence)

    def state_dict(self) -> Mapping[str, NDArray[Any]]:
        """Nothing: the weights lie where they were loaded from."""
        return {}

    def load_state_dict(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Nothing to take over."""
        # Arrays here were saved by another encoder, whose weights would be lost silently.
        if arrays:
            named = ", ".join(sorted(arrays)[:4])
            raise InvalidInputError(f"{self._name}: a frozen encoder keeps no arrays; got {named}.")


class Encoder(Protocol):
    """Frames and sentences to vectors. The same frame gives the same vector, alone or in a batch.

    The class is registered in `roborew.registry.encoders`; its constructor takes keyword-only
    settings of simple
    types, always ``seed: int = 0`` and ``device: str = "cpu"``.
    """

    @property
    def identity(self) -> str:
        """Architecture, weights and preprocessing: two encoders of one identity give equal
        vectors."""
        ...

    def learn(self, episodes: Sequence[EpisodeFrames], report: Report) -> None:
        """Fit to the demonstrations, where the encoder learns at all; a frozen one does nothing."""
        ...

    def encode(self, frames: Video) -> Features:
        """Vectors (T, D) of frames (T, H, W, 3) of any size."""
        ...

    def encode_text(self, sentence: str) -> NDArray[np.float32]:
        """The sentence's vector, shape (E,), of length one."""
        ...

    def state_dict(self) -> Mapping[str, NDArray[Any]]:
        """Everything learned here, as named arrays; empty for a frozen encoder, whose weights lie
        elsewhere."""
        ...

    def load_state_dict(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `state_dict` returned."""
        ...


@runtime_checkable
class ShrinkingEncoder(Encoder, Protocol):
    """An encoder that reads small pictures: large frames need not be kept."""

    def shrink(self, frame: Frame) -> Frame:
        """A frame as small as `encode` makes it; its vector is the same to the last bit."""
        ...


@runtime_checkable
class ComparingEncoder(Encoder, Protocol):
    """An encoder that can learn from which of two frames was called the better one."""

    def learn_comparisons(
        self, episodes: Sequence[EpisodeFrames], comparisons: FrameComparisons, report: Report
    ) -> None:
        """Fit to the episodes and to what was said of pieces of them; no other label is read."""
        ...
