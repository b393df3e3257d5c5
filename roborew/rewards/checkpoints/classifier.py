"""LeRobot's reward classifier (HIL-SERL, arXiv:2410.21845): is the task done in this picture?"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from roborew.errors import CorruptFileError, InvalidInputError
from roborew.rewards.checkpoints.classifier_network import (
    ClassifierConfig,
    ClassifierNetwork,
    make_network,
    with_one_encoder,
)
from roborew.rewards.checkpoints.files import (
    CONFIG,
    check_choice,
    find_folder,
    read_config,
    read_fields,
    read_weights,
)
from roborew.rewards.checkpoints.statistics import (
    Statistics,
    read_statistics,
    reads_statistics,
    without_buffers,
)
from roborew.short_repr import reward_repr
from roborew.types import Clip, RewardSpec, Scores, Video
from roborew.weights.budget import NetworkBudget
from roborew.weights.files import fill

logger = logging.getLogger(__name__)


class RewardClassifier:
    """The probability that the task is done, frame by frame; it is also the predicted success. The
    sentence is not read: the classifier was trained on one task.

    Args:
        weights: folder or hub id of a reward model of LeRobot's type reward_classifier.
        revision: commit of a hub id.
        encoder: folder or hub id of the encoder's configuration, where it is no ResNet-10.
        threshold: score 1 where the probability is above it and 0 elsewhere, as LeRobot pays
            (0.5 there); the probability itself if not given.
        batch_size: frames that go through the network at once.
        device: of torch.

    Raises:
        RoborewError: the weights are not here, not whole, or of another model.
    """

    __repr__ = reward_repr

    spec = RewardSpec(
        name="reward_classifier",
        low=0.0,
        high=1.0,
        context=1,
        causal=True,
        needs_goal_image=False,
        predicts_success=True,
        paper="HIL-SERL, arXiv:2410.21845",
    )

    def __init__(
        self,
        *,
        weights: str,
        revision: str | None = None,
        encoder: str | None = None,
        threshold: float | None = None,
        batch_size: int = 64,
        device: str = "cpu",
    ) -> None:
        if batch_size < 1 or not (threshold is None or 0 <= threshold < 1):
            raise InvalidInputError(
                "reward_classifier: expected a batch_size of at least 1 and a threshold in [0, 1); "
                f"got {batch_size} and {threshold}."
            )
        folder = find_folder(weights, revision)
        place = folder / CONFIG
        content = read_config(folder)
        check_choice(place, "type", content.get("type"), "reward_classifier")
        self._config = _checked(read_fields(ClassifierConfig, content, place), place)
        self._sizes = {key: self._config.picture_size(key) for key in self._config.cameras}
        tensors = read_weights(folder)
        self._statistics = self._read_statistics(folder, tensors)
        self._network = _load(self._config, without_buffers(tensors), encoder, folder)
        self._network.to(device).eval()
        self._device = torch.device(device)
        self._threshold, self._batch_size = threshold, batch_size

    def _read_statistics(
        self, folder: Path, tensors: dict[str, Tensor]
    ) -> dict[str, Statistics | None]:
        keys = self._config.cameras
        if not reads_statistics(folder / CONFIG, self._config.normalization_mapping, "VISUAL"):
            return dict.fromkeys(keys)
        by_camera = {key: read_statistics(folder, tensors, key) for key in keys}
        absent = [key for key, statistics in by_camera.items() if statistics is None]
        if absent:
            logger.warning(
                "%s: no statistics of %s are there; its pictures are read as they are, in [0, 1], as "
                "LeRobot does",
                folder,
                ", ".join(absent),
            )
        return by_camera

    def score(self, clips: Sequence[Clip]) -> list[Scores]:
        """Score every frame alone; views of several cameras lie side by side in it, in the order of
        the model's configuration."""
        return [self._scores(self._probabilities(clip.frames)) for clip in clips]

    def _scores(self, probabilities: NDArray[np.float32]) -> Scores:
        value = probabilities
        if self._threshold is not None:
            value = (probabilities > self._threshold).astype(np.float32)
        return Scores(value, np.ones(len(value), np.bool_), probabilities.copy())

    @torch.inference_mode()
    def _probabilities(self, frames: Video) -> NDArray[np.float32]:
        parts: list[Tensor] = []
        for start in range(0, len(frames), self._batch_size):
            batch = frames[start : start + self._batch_size]
            parts.append(self._network(self._pictures(batch)).sigmoid())
        return torch.cat(parts).cpu().numpy()

    def _pictures(self, frames: Video) -> list[Tensor]:
        """Pictures (B, 3, H, W) of each camera, as the network reads them."""
        keys = self._config.cameras
        if frames.shape[2] % len(keys):
            raise InvalidInputError(
                f"reward_classifier: expected pictures of {len(keys)} cameras of one width side by "
                f"side ({', '.join(keys)}); got a width of {frames.shape[2]}."
            )
        pictures: list[Tensor] = []
        for key, views in zip(keys, np.split(frames, len(keys), axis=2), strict=True):
            pixels = torch.as_tensor(np.ascontiguousarray(views)).to(self._device)
            resized = _resized(pixels.permute(0, 3, 1, 2).float() / 255, self._sizes[key])
            statistics = self._statistics[key]
            pictures.append(resized if statistics is None else statistics.normalize(resized))
        return pictures


def _resized(pixels: Tensor, size: tuple[int, int]) -> Tensor:
    if pixels.shape[2:] == size:
        return pixels
    resized = functional.interpolate(pixels, size, mode="bilinear", antialias=True)
    return resized.clamp(0, 1)


def _checked(config: ClassifierConfig, place: Path) -> ClassifierConfig:
    """The configuration, if it is of a network that there can be."""
    check_choice(place, "num_classes", config.num_classes, 2)
    if not config.cameras or len(config.cameras) != config.num_cameras:
        raise CorruptFileError(
            f"{place}: expected pictures of {config.num_cameras} cameras (num_cameras) among "
            f"input_features; got {', '.join(config.cameras) or 'none'}."
        )
    return config


def _load(
    config: ClassifierConfig, tensors: dict[str, Tensor], encoder: str | None, folder: Path
) -> ClassifierNetwork:
    merged = with_one_encoder(tensors, config.cameras, folder)
    with NetworkBudget((tensor.numel() for tensor in merged.values()), folder):
        network = make_network(config, merged, encoder, folder / CONFIG)
    fill(network, merged, folder)
    return network
