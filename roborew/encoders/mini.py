"""The layers of `mini` that read pictures, frozen, as an encoder: good on this suite's desk without
any learning."""

from __future__ import annotations

import hashlib
from pathlib import Path

from torch import Tensor
from torch.nn import functional

from roborew.encoders.base import FrozenEncoder
from roborew.encoders.mini_network import SHIPPED, load_network
from roborew.encoders.preprocess import encode_in_batches, shrink_frame
from roborew.learning.examples import Features
from roborew.types import Frame, Video


class MiniEncoder(FrozenEncoder):
    """The picture layers of the reward `mini`, as they were fitted for it.

    Args:
        weights: a folder with config.json and model.safetensors; those of the wheel if not given.
        seed: not used; nothing is random here.
        device: a torch device name.
    """

    def __init__(self, *, weights: Path = SHIPPED, seed: int = 0, device: str = "cpu") -> None:
        # Every `Encoder` takes a seed, whether it draws anything or not.
        del seed
        super().__init__("mini")
        self._network, self._device = load_network(weights).eval().to(device), device
        self.identity = (
            f"mini-{hashlib.sha256((weights / 'model.safetensors').read_bytes()).hexdigest()[:32]}"
        )

    def shrink(self, frame: Frame) -> Frame:
        """A frame as small as `encode` makes it: its vector stays the same to the last bit."""
        return shrink_frame(frame)

    def encode(self, frames: Video) -> Features:
        """Vectors (T, D)."""
        return encode_in_batches(self._read, frames, self._device)

    def _read(self, frames: Tensor) -> Tensor:
        vectors = self._network.picture(frames)
        return functional.layer_norm(vectors, vectors.shape[1:])
