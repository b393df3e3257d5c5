"""The network of LeRobot's reward classifier: an encoder that all cameras share, a layer for each
camera behind it, and a head on the cameras together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel

from roborew.config.json_form import read_value
from roborew.errors import CorruptFileError, InvalidInputError
from roborew.rewards.checkpoints.files import base_model, find_base
from roborew.rewards.checkpoints.resnet10 import ResNet10, resnet10_widths
from roborew.weights.folder import explain, vetted_folder
from roborew.weights.settings import MAX_SIDE

GRID = 4
"""Sides of the encoder's features of a picture, on which LeRobot's cnn is built."""
IMAGES = "observation.image"


@dataclass(frozen=True, slots=True)
class ClassifierConfig:
    """What ``config.json`` says of the network; LeRobot's defaults."""

    input_features: Mapping[str, Mapping[str, Any]]
    num_classes: int = 2
    hidden_dim: int = 256
    latent_dim: int = 256
    image_embedding_pooling_dim: int = 8
    model_name: str = "lerobot/resnet10"
    model_type: Literal["cnn", "transformer"] = "cnn"
    num_cameras: int = 2
    normalization_mapping: Mapping[str, str] = field(default_factory=lambda: {"VISUAL": "MEAN_STD"})

    @property
    def cameras(self) -> list[str]:
        """Keys of the pictures, in the order in which they are read."""
        return [key for key in self.input_features if key.startswith(IMAGES)]

    def picture_size(self, key: str) -> tuple[int, int]:
        """Height and width of a camera's pictures [pixels].

        Raises:
            InvalidInputError: it has none.
        """
        shape = read_value(tuple[int, int, int], self.input_features[key].get("shape"), key)
        if shape[0] != 3 or not all(0 < side <= MAX_SIDE for side in shape):
            raise InvalidInputError(f"{key}: expected the shape [3, H, W]; got {shape}.")
        return shape[1:]


class _SpatialEmbedding(nn.Module):
    """Features (B, C, 4, 4) to vectors (B, C * F): each channel weighed by F maps of its own."""

    def __init__(self, channels: int, maps: int) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.zeros(channels, GRID, GRID, maps))

    def forward(self, features: Tensor) -> Tensor:
        if features.shape[2:] != (GRID, GRID):
            raise CorruptFileError(
                f"reward_classifier: its encoder gives {tuple(features.shape[2:])} features of a "
                f"picture of the shape in its configuration; it was built on ({GRID}, {GRID})."
            )
        return torch.einsum("bchw,chwf->bcf", features, self.kernel).flatten(1)


class ClassifierNetwork(nn.Module):
    """Pictures of each camera to logits.

    Args:
        config: of the network.
        encoder: pictures (B, 3, H, W) to features: (B, C, 4, 4), or (B, tokens, C) of a transformer.
        width: C.
    """

    def __init__(self, config: ClassifierConfig, encoder: nn.Module, width: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.encoders = nn.ModuleDict()
        latent = width
        if config.model_type == "cnn":
            latent = config.latent_dim
            for key in config.cameras:
                self.encoders[key.replace(".", "_")] = self._camera(config, width)
        self.classifier_head = nn.Sequential(
            nn.Linear(latent * config.num_cameras, config.hidden_dim),
            nn.Identity(),
            nn.LayerNorm(config.hidden_dim),
            nn.ReLU(),
            nn.Linear(config.hidden_dim, 1),
        )

    @staticmethod
    def _camera(config: ClassifierConfig, width: int) -> nn.Module:
        # Identities keep the numbers that LeRobot's layers have: 0 is the encoder, 2 a dropout.
        maps = config.image_embedding_pooling_dim
        return nn.Sequential(
            nn.Identity(),
            _SpatialEmbedding(width, maps),
            nn.Identity(),
            nn.Linear(width * maps, config.latent_dim),
            nn.LayerNorm(config.latent_dim),
            nn.Tanh(),
        )

    def forward(self, pictures: Sequence[Tensor]) -> Tensor:
        """Logits (B,) of pictures (B, 3, H, W) of each camera."""
        outputs = [self.encoder(views) for views in pictures]
        # Encoders of transformers give more than these.
        features = [getattr(output, "last_hidden_state", output) for output in outputs]
        if len(self.encoders):
            layers = list(self.encoders.values())
            vectors = [layer(view) for layer, view in zip(layers, features, strict=True)]
        else:
            vectors = [view[:, 0] for view in features]
        return self.classifier_head(torch.cat(vectors, 1)).squeeze(1)


def make_network(
    config: ClassifierConfig, tensors: Mapping[str, Tensor], encoder: str | None, place: object
) -> ClassifierNetwork:
    """Return the network of a configuration; its numbers are still to be filled in.

    Args:
        config: of the network.
        tensors: its weights.
        encoder: the user's word for the model whose configuration the encoder has.
        place: of the configuration, for messages.

    Raises:
        InvalidInputError: the encoder is one that the user has to name.
        CorruptFileError: there is no such network.
    """
    widths = resnet10_widths(tensors, place)
    if widths is not None and config.model_type == "cnn":
        return ClassifierNetwork(config, ResNet10(widths), widths[-1])
    flag = "--reward.encoder"
    name = base_model(encoder, config.model_name, flag, place)
    with vetted_folder(find_base(name, flag)) as vetted, explain(f"{name}: the encoder of {place}"):
        own = cast(Any, AutoConfig).from_pretrained(vetted, local_files_only=True)
        network = cast(Any, AutoModel).from_config(own)
    network = getattr(network, "vision_model", network)
    sizes = getattr(network.config, "hidden_sizes", None)
    is_cnn = config.model_type == "cnn"
    width = sizes[-1] if is_cnn and sizes else getattr(network.config, "hidden_size", None)
    if not isinstance(width, int) or (is_cnn and not sizes):
        raise CorruptFileError(f"{place}: {name} is no encoder of the type {config.model_type}.")
    return ClassifierNetwork(config, network, width)


def with_one_encoder(
    tensors: Mapping[str, Tensor], cameras: Sequence[str], place: Path
) -> dict[str, Tensor]:
    """Return the weights with one copy of the encoder, which stands once more with each camera.

    Raises:
        CorruptFileError: the copies differ.
    """
    prefixes = [f"encoders.{key.replace('.', '_')}.0." for key in cameras]
    merged: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        prefix = next((prefix for prefix in prefixes if name.startswith(prefix)), None)
        shared = name if prefix is None else f"encoder.{name.removeprefix(prefix)}"
        if shared in merged and not torch.equal(merged[shared], tensor):
            raise CorruptFileError(f"{place}: {name} differs between cameras that share it.")
        merged[shared] = tensor
    return merged
