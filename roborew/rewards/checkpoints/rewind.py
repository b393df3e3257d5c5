"""ReWiND: progress at each frame of an episode so far, by a small causal transformer on DINOv2 and
MiniLM (arXiv:2505.10911)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from roborew.encoders.embedder import Embedder, PretrainedModel
from roborew.encoders.preprocess import Preprocessing
from roborew.encoders.transformers import load_transformers
from roborew.errors import CorruptFileError, InvalidInputError
from roborew.learning.episode_layout import split_by_length
from roborew.rewards.checkpoints.files import (
    CONFIG,
    check_choice,
    find_folder,
    read_config,
    read_fields,
    read_weights,
)
from roborew.rewards.checkpoints.sentences import MeanOfWords
from roborew.rewards.prefix_frames import Prefix, PrefixWindow
from roborew.short_repr import reward_repr
from roborew.types import Clip, FloatArray, RecurrentState, RewardSpec, Scores
from roborew.weights.budget import NetworkBudget
from roborew.weights.files import fill

CONVERT = (
    'python -c "import argparse, json, pathlib, sys, torch, safetensors.torch as s; '
    "torch.serialization.add_safe_globals([argparse.Namespace]); "
    "w = torch.load(sys.argv[1], map_location='cpu', weights_only=True); "
    "folder = pathlib.Path(sys.argv[2]); folder.mkdir(); "
    "about = {'kind': 'rewind', 'max_length': int(w['args'].max_length), 'num_heads': 8}; "
    "(folder / 'config.json').write_text(json.dumps(about)); "
    "w = {k: v.clone().contiguous() for k, v in w['model_state_dict'].items()}; "
    "s.save_file(w, folder / 'model.safetensors')\" "
    "rewind.pth FOLDER"
)
"""Makes a folder of a checkpoint of ReWiND's authors, by torch's reader that knows tensors, numbers
and argparse's Namespace alone."""
DINOV2 = "facebook/dinov2-base"
MINILM = "sentence-transformers/all-MiniLM-L12-v2"
EDGE = 224
"""Sides of the pictures that DINOv2 reads [pixels]."""
MAX_LENGTH = 1024


@dataclass(frozen=True, slots=True)
class RewindConfig:
    """What the converted ``config.json`` says; the defaults are the authors'."""

    max_length: int = 16
    num_heads: int = 8


class RewindNetwork(nn.Module):
    """A sentence and frames to progress at each frame, which sees what is before it.

    Args:
        video: numbers of a frame.
        text: numbers of a sentence.
        width: of the network.
        heads: of its attention.
        layers: of its transformer.
    """

    def __init__(self, video: int, text: int, width: int, heads: int, layers: int) -> None:
        super().__init__()
        self.video_proj = nn.Linear(video, width)
        self.text_proj = nn.Linear(text, width)
        self.first_pos_embed = nn.Parameter(torch.zeros(1, width))
        # Never read, and in every checkpoint.
        self.class_token = nn.Parameter(torch.zeros(1, 1, width))
        layer = nn.TransformerEncoderLayer(width, heads, 4 * width, dropout=0.0, batch_first=True)
        self.transformer = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        last = nn.Linear(width // 2, 1)
        # An identity where the authors have a dropout: the layers' numbers are names of weights.
        hidden = (nn.LayerNorm(width // 2), nn.GELU(), nn.Identity(), last, nn.Sigmoid())
        self.progress_head = nn.Sequential(nn.Linear(width, width // 2), *hidden)

    def forward(self, frames: Tensor, sentences: Tensor) -> Tensor:
        """Progress (B, T) in [0, 1] of frames (B, T, video) and sentences (B, text)."""
        views = self.video_proj(frames)
        first = views[:, :1] + self.first_pos_embed
        words = self.text_proj(sentences).unsqueeze(1)
        tokens = torch.cat([words, first, views[:, 1:]], 1)
        size = tokens.shape[1]
        mask = torch.ones(size, size, dtype=torch.bool, device=tokens.device).triu(1)
        hidden = self.transformer(tokens, mask=mask, is_causal=True)
        return self.progress_head(hidden[:, 1:]).squeeze(2)


class Rewind:
    """Progress in [0, 1] at each frame, from frames of the episode so far.

    Its authors' checkpoint is a pickle, which is converted once; docs/reference/rewards.md says how.

    Args:
        weights: folder or hub id of converted weights.
        revision: commit of a hub id.
        vision: folder or hub id of the DINOv2 that embeds pictures.
        language: folder or hub id of the MiniLM that embeds sentences.
        batch_size: episodes and pictures that go through the networks at once.
        device: of torch.

    Raises:
        RoborewError: the weights are not here, not whole, or of another model.
    """

    __repr__ = reward_repr

    spec = RewardSpec(
        name="rewind",
        low=0.0,
        high=1.0,
        context=None,
        causal=True,
        needs_goal_image=False,
        predicts_success=False,
        paper="ReWiND, arXiv:2505.10911",
    )

    def __init__(
        self,
        *,
        weights: str,
        revision: str | None = None,
        vision: str = DINOV2,
        language: str = MINILM,
        batch_size: int = 64,
        device: str = "cpu",
    ) -> None:
        if batch_size < 1:
            raise InvalidInputError(
                f"rewind: expected a batch_size of at least 1; got {batch_size}."
            )
        folder = find_folder(weights, revision)
        content = read_config(folder)
        check_choice(folder / CONFIG, "kind", content.get("kind"), "rewind")
        config = read_fields(RewindConfig, content, folder / CONFIG)
        self._network = _load(config, folder).to(device).eval()
        self._window = PrefixWindow(max_frames=config.max_length, pairs=False)
        self._device = torch.device(device)
        self._batch_size = batch_size
        self._encode_text = MeanOfWords(language)
        tower = load_transformers(vision, None, None, None)
        # Pictures of this size are read as they are, as published; others are resized to it.
        half = (0.5, 0.5, 0.5)
        size = min(EDGE, tower.preprocessing.size)
        pictures = Preprocessing(size=size, mean=half, std=half)
        model = PretrainedModel(tower.network, pictures, f"{tower.identity} rewind")
        self._embedder = Embedder(model, device=device, dtype="float32", batch_size=batch_size)

    def score(self, clips: Sequence[Clip]) -> list[Scores]:
        """Score each frame as if the clip ended with it."""
        beginnings: list[RecurrentState] = [{} for _ in clips]
        return self.score_step(clips, beginnings)[0]

    def score_step(
        self, clips: Sequence[Clip], states: Sequence[RecurrentState]
    ) -> tuple[list[Scores], list[RecurrentState]]:
        """Score the next frames of episodes; see `roborew.types.IncrementalRewardModel`."""
        prefixes, next_states = self._window.extend_all(clips, states)
        progress = self._predict(prefixes)
        parts = split_by_length(progress, [len(clip.frames) for clip in clips])
        return [Scores(part, np.ones(len(part), np.bool_)) for part in parts], next_states

    @torch.inference_mode()
    def _predict(self, prefixes: Sequence[Prefix]) -> NDArray[np.float32]:
        """Progress at the last frame of each prefix."""
        sentences = {
            text: self._encode_text(text)
            for text in dict.fromkeys(prefix.instruction for prefix in prefixes)
        }
        progress = [np.empty(0, np.float32)]
        for start in range(0, len(prefixes), self._batch_size):
            batch = prefixes[start : start + self._batch_size]
            vectors = self._embedder.embed([prefix.video for prefix in batch])
            words = np.stack([sentences[prefix.instruction] for prefix in batch])
            self._check_sizes(vectors[0], words)
            longest = max(len(frames) for frames in vectors)
            # The last frame again: what comes after the one that is read changes nothing.
            padded = [np.pad(v, ((0, longest - len(v)), (0, 0)), mode="edge") for v in vectors]
            frames = torch.as_tensor(np.stack(padded)).to(self._device)
            values = self._network(frames, torch.as_tensor(words).to(self._device))
            last = torch.tensor([len(frames) - 1 for frames in vectors], device=self._device)
            progress.append(values.gather(1, last.unsqueeze(1)).squeeze(1).cpu().numpy())
        return np.concatenate(progress)

    def _check_sizes(self, frames: FloatArray, sentences: FloatArray) -> None:
        sizes = frames.shape[1], sentences.shape[1]
        expected = self._network.video_proj.in_features, self._network.text_proj.in_features
        if sizes != expected:
            raise CorruptFileError(
                f"rewind: it reads frames and sentences of {expected} numbers; these models give "
                f"{sizes}. Give those that it was trained with: --reward.vision, --reward.language."
            )


def _load(config: RewindConfig, folder: Path) -> RewindNetwork:
    """The network, whose sizes are those of its weights."""
    tensors = read_weights(folder)
    video, text = tensors.get("video_proj.weight"), tensors.get("text_proj.weight")
    if video is None or text is None or video.ndim != 2 or text.ndim != 2:
        raise CorruptFileError(f"{folder} holds no weights of ReWiND (video_proj, text_proj).")
    first = "transformer.layers."
    layers = {name.split(".")[2] for name in tensors if name.startswith(first)}
    width, heads = int(video.shape[0]), config.num_heads
    is_possible = heads >= 1 and width % heads == 0 and 2 <= config.max_length <= MAX_LENGTH
    if not is_possible or not layers:
        raise CorruptFileError(
            f"{folder / CONFIG}: no network of width {width} has {len(layers)} layers, {heads} heads "
            f"and max_length {config.max_length}."
        )
    with NetworkBudget((tensor.numel() for tensor in tensors.values()), folder):
        network = RewindNetwork(int(video.shape[1]), int(text.shape[1]), width, heads, len(layers))
    fill(network, tensors, folder)
    return network
