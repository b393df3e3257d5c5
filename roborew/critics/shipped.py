"""The layers of `mini` that read pictures, frozen, as an encoder: good on this suite's desk without any learning."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from roborew.critics.encoder import Footage
from roborew.critics.objective import Features, Report
from roborew.critics.pictures import in_batches
from roborew.critics.text import embed_text
from roborew.errors import InvalidInputError
from roborew.rewards.mini import SHIPPED, load_network
from roborew.types import Video


class MiniEncoder:
    """Args:
    weights: a folder with config.json and model.safetensors; those of the wheel if not given.
    seed: not used; nothing is random here.
    device: a torch device name.
    """

    def __init__(self, *, weights: Path = SHIPPED, seed: int = 0, device: str = "cpu") -> None:
        del seed
        self._network, self._device = load_network(weights).eval().to(device), device
        self.identity = f"mini-{hashlib.sha256((weights / 'model.safetensors').read_bytes()).hexdigest()[:32]}"

    def learn(self, footage: Sequence[Footage], report: Report) -> None:
        """Nothing: it is frozen."""

    def encode(self, frames: Video) -> Features:
        """Vectors (T, D)."""
        return in_batches(self._read, frames, self._device)

    def encode_text(self, sentence: str) -> NDArray[np.float32]:
        """The sentence's vector, shape (E,)."""
        return embed_text(sentence)

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """Nothing: the weights lie in their own folder."""
        return {}

    def load(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Nothing to take over."""
        if arrays:
            raise InvalidInputError(f"mini: a frozen encoder keeps no arrays; got {', '.join(sorted(arrays)[:4])}.")

    def _read(self, frames: Tensor) -> Tensor:
        vectors = self._network.picture(frames)
        return functional.layer_norm(vectors, vectors.shape[1:])
