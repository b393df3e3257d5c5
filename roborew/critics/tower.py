"""A pretrained picture tower, frozen, as an encoder: open_clip, timm, transformers, VIP, R3M or LIV."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from roborew.critics.frozen import FrozenEncoder
from roborew.critics.objective import Features
from roborew.rewards.embedding import Dtype, Embedder
from roborew.rewards.towers import Kind, load_tower
from roborew.types import Video


class TowerEncoder(FrozenEncoder):
    """Embeddings of length one, each frame's computed once; see `roborew.rewards.embedding.Embedder`.

    Args:
        tower: whose network; see `roborew.rewards.towers.load_tower` for this and the next four.
        model: hub id or folder, name or architecture.
        pretrained: its weights.
        revision: commit of a repository on the hub.
        sha256: that the weight file must have.
        dtype: number format of the network.
        batch: frames that go through the network at once.
        cache: a folder in which embeddings are kept for the next fit; several processes may share it.
        seed: not used; nothing is random here.
        device: of torch; several, separated by commas, share the work.

    Raises:
        RoborewError: as `load_tower`.
    """

    def __init__(
        self,
        *,
        tower: Kind = "open_clip",
        model: str | None = None,
        pretrained: str | None = None,
        revision: str | None = None,
        sha256: str | None = None,
        dtype: Dtype = "auto",
        batch: int = 64,
        cache: Path | None = None,
        seed: int = 0,
        device: str = "cpu",
    ) -> None:
        del seed
        super().__init__("tower")
        loaded = load_tower(tower, model, pretrained, revision, sha256)
        self._embedder = Embedder(loaded, device=device, dtype=dtype, batch=batch, cache=cache)
        said = f"{loaded.identity} {loaded.preprocessing}"
        self.identity = f"{tower}-{hashlib.sha256(said.encode()).hexdigest()[:32]}"

    def encode(self, frames: Video) -> Features:
        """Vectors (T, D) of length one."""
        found = self._embedder.embed([frames])[0]
        return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-6)
