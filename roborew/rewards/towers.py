"""Picture towers of every library, by name."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Literal

from roborew.rewards.embedding_tower import Tower

Kind = Literal["transformers", "timm", "open_clip", "vip", "r3m", "liv"]
MODELS: dict[Kind, str] = {
    "transformers": "facebook/dinov2-small",
    "timm": "vit_small_patch14_dinov2.lvd142m",
    "open_clip": "ViT-B-32",
    "vip": "resnet50",
    "r3m": "resnet50",
    "liv": "RN50-quickgelu",
}
"""The model of a tower if none is given."""
LOADERS: dict[Kind, str] = {
    "transformers": "embedding_transformers:load_transformers",
    "timm": "embedding_trunks:load_timm",
    "open_clip": "embedding_open_clip:load_open_clip_tower",
    "vip": "embedding_trunks:load_vip",
    "r3m": "embedding_trunks:load_r3m",
    "liv": "embedding_open_clip:load_open_clip_tower",
}
"""What loads a tower; its library is imported only then."""
Load = Callable[[str, str | None, str | None, str | None], Tower]


def load_tower(
    tower: Kind,
    model: str | None = None,
    pretrained: str | None = None,
    revision: str | None = None,
    sha256: str | None = None,
) -> Tower:
    """Load a tower with all of its weights, or nothing.

    Args:
        tower: whose network: transformers (such as DINOv2), timm, open_clip, or VIP, R3M or LIV from a local file.
        model: hub id or folder, name or architecture; `MODELS` says which if not given.
        pretrained: a .safetensors file, and for open_clip also a tag or ``hf-hub:owner/name``.
        revision: commit of a repository on the hub.
        sha256: that the weight file must have.

    Raises:
        UnknownNameError: no such model; close matches are offered.
        InvalidInputError: arguments that do not go together, or pickled weights.
        MissingBackendError: the weights are not here; the message says what to download and where to put it.
        CorruptFileError: a damaged file, another checksum, or weights of another architecture.
    """
    module, _, function = LOADERS[tower].partition(":")
    load: Load = getattr(import_module(f"roborew.rewards.{module}"), function)
    return load(model or MODELS[tower], pretrained, revision, sha256)
