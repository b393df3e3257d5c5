"""A pretrained picture tower, frozen, as an encoder: open_clip, timm, transformers, VIP, R3M or
LIV."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from roborew.encoders.base import FrozenEncoder
from roborew.encoders.cache import SENTENCES_FOLDER, EmbeddingCache
from roborew.encoders.embedder import Dtype, Embedder, PretrainedModel
from roborew.learning.examples import Features
from roborew.types import Video, check_instruction

Library = Literal["transformers", "timm", "open_clip", "vip", "r3m", "liv"]
MODELS: dict[Library, str] = {
    "transformers": "facebook/dinov2-small",
    "timm": "vit_small_patch14_dinov2.lvd142m",
    "open_clip": "ViT-B-32",
    "vip": "resnet50",
    "r3m": "resnet50",
    "liv": "RN50-quickgelu",
}
"""The model if none is given."""
LOADERS: dict[Library, str] = {
    "transformers": "transformers:load_transformers",
    "timm": "timm:load_timm",
    "open_clip": "open_clip:load_open_clip_tower",
    "vip": "timm:load_vip",
    "r3m": "timm:load_r3m",
    "liv": "open_clip:load_open_clip_tower",
}
"""What loads a network; its library is imported only then."""
Load = Callable[[str, str | None, str | None, str | None], PretrainedModel]


def load_pretrained(
    library: Library,
    model: str | None = None,
    pretrained: str | None = None,
    revision: str | None = None,
    sha256: str | None = None,
) -> PretrainedModel:
    """Load an image tower with all of its weights, or nothing.

    Args:
        library: where the network comes from: transformers (such as DINOv2), timm, open_clip, or
            VIP, R3M or LIV, whose weights are a local file.
        model: hub id or folder, name or architecture; `MODELS` says which if not given.
        pretrained: a .safetensors file, and for open_clip also a tag or ``hf-hub:owner/name``.
        revision: commit of a repository on the hub.
        sha256: that the weight file must have.

    Raises:
        UnknownNameError: no such model; close matches are offered.
        InvalidInputError: arguments that do not go together, or pickled weights.
        MissingBackendError: the weights are not here; the message says what to download and where
            to put it.
        CorruptFileError: a damaged file, another checksum, or weights of another architecture.
    """
    module, _, function = LOADERS[library].partition(":")
    load: Load = getattr(import_module(f"roborew.encoders.{module}"), function)
    return load(model or MODELS[library], pretrained, revision, sha256)


SENTENCES = 1024
"""Kept in memory."""


class PretrainedEncoder(FrozenEncoder):
    """Embeddings of length one, each frame's and each sentence's computed once; see
    `roborew.encoders.embedder.Embedder`. Sentences are read by the model's own text tower, in the
    space of its frames, where it is one of open_clip (LIV too) or a CLIP or SigLIP of transformers,
    otherwise by `roborew.encoders.text.embed_text`.

    Args:
        library: where the network comes from; see `roborew.encoders.pretrained.load_pretrained` for
            this and the next four.
        model: hub id or folder, name or architecture.
        pretrained: its weights.
        revision: commit of a repository on the hub.
        sha256: that the weight file must have.
        dtype: number format of the network.
        batch_size: frames that go through the network at once.
        cache: a folder in which embeddings are kept for the next fit; several processes may share
            it.
        seed: not used; nothing is random here.
        device: of torch; several, separated by commas, share the work.

    Raises:
        RoborewError: as `load_pretrained`.
    """

    RENAMED: ClassVar[Mapping[str, str]] = {"tower": "library", "batch": "batch_size"}

    def __init__(
        self,
        *,
        library: Library = "open_clip",
        model: str | None = None,
        pretrained: str | None = None,
        revision: str | None = None,
        sha256: str | None = None,
        dtype: Dtype = "auto",
        batch_size: int = 64,
        cache: Path | None = None,
        seed: int = 0,
        device: str = "cpu",
    ) -> None:
        del seed
        super().__init__("pretrained")
        loaded = load_pretrained(library, model, pretrained, revision, sha256)
        self._embedder = Embedder(
            loaded, device=device, dtype=dtype, batch_size=batch_size, cache=cache
        )
        self._read = loaded.encode_text
        text_cache = None if cache is None else cache / SENTENCES_FOLDER
        self._sentences = EmbeddingCache(SENTENCES, text_cache)
        # A critic fitted to one text space cannot read the other.
        text_space = " with its text" if loaded.encode_text else ""
        content = f"{loaded.identity} {loaded.preprocessing}{text_space}"
        self.identity = f"{library}-{hashlib.sha256(content.encode()).hexdigest()[:32]}"

    def encode(self, frames: Video) -> Features:
        """Vectors (T, D) of length one."""
        vectors = self._embedder.embed([frames])[0]
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)

    def encode_text(self, sentence: str) -> NDArray[np.float32]:
        """The sentence's vector, shape (E,), of length one.

        Raises:
            InvalidInputError: the text tower would read only its beginning.
            MissingBackendError: the text tower's tokenizer is not here.
        """
        if self._read is None:
            return super().encode_text(sentence)
        key = hashlib.sha256(f"{self.identity} {check_instruction(sentence)}".encode()).digest()
        vector = self._sentences.get(key)
        if vector is None:
            vector = self._read(sentence)
            self._sentences.put({key: vector})
        return vector / max(float(np.linalg.norm(vector)), 1e-6)
