"""SARM as LeRobot releases it: progress by subtask, from a window of frames on both sides of each
(arXiv:2509.25358)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from roborew.encoders.embedder import Embedder
from roborew.encoders.transformers import load_transformers
from roborew.errors import CorruptFileError, InvalidInputError
from roborew.rewards.checkpoints.files import CONFIG, find_folder, read_config, read_weights
from roborew.rewards.checkpoints.sarm_network import (
    SarmNetwork,
    Scheme,
    check_scheme,
    read_sarm_config,
)
from roborew.rewards.checkpoints.statistics import (
    Statistics,
    read_statistics,
    reads_statistics,
    without_buffers,
)
from roborew.short_repr import reward_repr
from roborew.types import Clip, FloatArray, RewardSpec, Scores
from roborew.weights.budget import NetworkBudget
from roborew.weights.files import fill

logger = logging.getLogger(__name__)

CLIP = "openai/clip-vit-base-patch32"
"""By which LeRobot embeds pictures and sentences."""


class Sarm:
    """Progress in [0, 1]: which subtask a frame belongs to, and how far it is within it.

    A frame is read in a window of frames before and after it, so that only whole episodes are
    scored and an agent is paid at their end; with ``window="past"`` each frame is read as if the
    episode ended there, which pays at every step and is not how SARM was trained.

    Where a clip says nothing of the robot's states, the model's mean state stands in, as in LeRobot
    where none are known.

    Args:
        weights: folder or hub id of a reward model of LeRobot's type sarm.
        revision: commit of a hub id.
        head: scheme of annotations, "sparse" or "dense".
        window: frames on both sides of each, "two-sided" as published, or "past" ones alone.
        frame_gap: frames between those of a window; the model's own, for the rate of its data set,
            if not given.
        clip: folder or hub id of the CLIP that embeds pictures and sentences.
        batch_size: windows and pictures that go through the networks at once.
        device: of torch.

    Raises:
        RoborewError: the weights are not here, not whole, or of another model.
    """

    __repr__ = reward_repr

    def __init__(
        self,
        *,
        weights: str,
        revision: str | None = None,
        head: Scheme = "sparse",
        window: Literal["two-sided", "past"] = "two-sided",
        frame_gap: int | None = None,
        clip: str = CLIP,
        batch_size: int = 64,
        device: str = "cpu",
    ) -> None:
        if batch_size < 1 or (frame_gap is not None and frame_gap < 1):
            raise InvalidInputError(
                f"sarm: expected a batch_size and a frame_gap of at least 1; got {batch_size} and "
                f"{frame_gap}."
            )
        self._network, self._statistics = _load(find_folder(weights, revision), head)
        self._network.to(device).eval()
        self._device = torch.device(device)
        self._config = self._network.config
        self._head: Scheme = head
        self._batch_size = batch_size
        self._is_causal = window == "past"
        self._gap = frame_gap or self._config.frame_gap
        self._load_clip(clip, device)
        self._is_warned = False
        self.spec = RewardSpec(
            name="sarm",
            low=0.0,
            high=1.0,
            context=self._reach + 1 if self._is_causal else None,
            causal=self._is_causal,
            needs_goal_image=False,
            predicts_success=False,
            paper="SARM, arXiv:2509.25358",
            state_key=self._config.state_key,
            state_size=None if self._statistics is None else self._statistics.mean.numel(),
        )

    def _load_clip(self, clip: str, device: str) -> None:
        model = load_transformers(clip, None, None, None)
        if model.encode_text is None:
            raise InvalidInputError(f"sarm: {clip} reads no sentences; expected a CLIP.")
        self._encode_text = model.encode_text
        self._embedder = Embedder(
            model, device=device, dtype="float32", batch_size=self._batch_size
        )

    @property
    def _reach(self) -> int:
        """Frames on one side of a window."""
        return self._config.n_obs_steps // 2 * self._gap

    def score(self, clips: Sequence[Clip]) -> list[Scores]:
        """Score whole episodes, of one camera.

        Raises:
            InvalidInputError: the robot's states are not those that the model reads.
        """
        are_known = all(clip.robot_states is not None for clip in clips)
        if not are_known and self._statistics is not None and not self._is_warned:
            self._is_warned = True
            logger.warning(
                "sarm: the robot's states are not known, and their mean stands in; they are read from "
                f"{self._config.state_key} of a LeRobot data set, or from Clip.robot_states"
            )
        return [self._score(clip) for clip in clips]

    def _score(self, clip: Clip) -> Scores:
        windows = self._windows(len(clip.frames))
        (pictures,) = self._embedder.embed([clip.frames])
        sentence = self._encode_text(clip.instruction)
        self._check_embeddings(pictures, sentence)
        states = self._read_states(clip.robot_states, len(clip.frames))
        read = (torch.as_tensor(pictures), states)
        words = torch.as_tensor(sentence).to(self._device)
        values: list[Tensor] = []
        with torch.inference_mode():
            for start in range(0, len(windows), self._batch_size):
                batch = windows[start : start + self._batch_size]
                views, own = (rows[batch].to(self._device) for rows in read)
                progress = self._network(views, words, own, self._head)
                # The frame that is scored lies in the middle of its window.
                values.append(progress[:, windows.shape[1] // 2])
        value = torch.cat(values).cpu().numpy()
        return Scores(value, np.ones(len(value), np.bool_))

    def _windows(self, length: int) -> Tensor:
        """Indices (T, W) of the frames of each window, clamped to the episode."""
        steps = self._config.n_obs_steps // 2
        offsets = self._gap * torch.arange(-steps, steps + 1)
        frames = torch.arange(length).unsqueeze(1)
        last = frames if self._is_causal else torch.full_like(frames, length - 1)
        places = (frames + offsets).clamp(min=0)
        return torch.minimum(places, last)

    def _read_states(self, states: FloatArray | None, length: int) -> Tensor:
        """States (T, max_state_dim) as the network reads them: normalized, then filled up with
        zeros."""
        width = self._config.max_state_dim
        if states is None:
            return torch.zeros(length, width)
        values = torch.as_tensor(states)
        if self._statistics is not None:
            size = self._statistics.mean.numel()
            if values.shape[1] != size:
                raise InvalidInputError(
                    f"sarm: expected states of {size} numbers; got {values.shape[1]}."
                )
            values = self._statistics.normalize(values)
        values = values[:, :width]
        return torch.nn.functional.pad(values, (0, width - values.shape[1]))

    def _check_embeddings(self, pictures: FloatArray, sentence: FloatArray) -> None:
        sizes = pictures.shape[1], len(sentence)
        expected = self._config.image_dim, self._config.text_dim
        if sizes != expected:
            raise CorruptFileError(
                f"sarm: it reads pictures and sentences of {expected} numbers; the CLIP gives "
                f"{sizes}. Give the one that it was trained with: --reward.clip."
            )


def _load(folder: Path, head: Scheme) -> tuple[SarmNetwork, Statistics | None]:
    """The networks, and the statistics of the states where the folder has any."""
    content = read_config(folder)
    config = read_sarm_config(content, folder)
    check_scheme(config, head, folder / CONFIG)
    tensors = read_weights(folder)
    mapping: dict[str, Any] = content.get("normalization_mapping") or {}
    is_normalized = reads_statistics(folder / CONFIG, mapping, "STATE")
    statistics = read_statistics(folder, tensors, config.state_key) if is_normalized else None
    weights = without_buffers(tensors)
    with NetworkBudget((tensor.numel() for tensor in weights.values()), folder):
        network = SarmNetwork(config)
    fill(network, weights, folder)
    return network, statistics
