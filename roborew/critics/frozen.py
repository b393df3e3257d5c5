"""What all encoders share that learn nothing from demonstrations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roborew.critics.encoder import Footage
from roborew.critics.objective import Report
from roborew.critics.text import embed_text
from roborew.errors import InvalidInputError


class FrozenEncoder:
    """An `Encoder` but for its identity and `encode`; its weights lie in a place of their own.

    Args:
        name: of the encoder, for messages.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def learn(self, footage: Sequence[Footage], report: Report) -> None:
        """Nothing: it is frozen."""

    def encode_text(self, sentence: str) -> NDArray[np.float32]:
        """The sentence's vector, shape (E,)."""
        return embed_text(sentence)

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """Nothing: the weights lie where they were loaded from."""
        return {}

    def load(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Nothing to take over."""
        if arrays:
            named = ", ".join(sorted(arrays)[:4])
            raise InvalidInputError(f"{self._name}: a frozen encoder keeps no arrays; got {named}.")
