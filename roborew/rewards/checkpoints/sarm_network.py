"""The two networks of SARM as LeRobot has them: which subtask a frame belongs to, and how far it is
within it (arXiv:2509.25358)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from roborew.errors import CorruptFileError, InvalidInputError
from roborew.rewards.checkpoints.files import CONFIG, check_choice, read_fields

MAX_STEPS = 256
"""Frames of a window at most: tokens look at each other."""
Scheme = Literal["sparse", "dense"]


@dataclass(frozen=True, slots=True)
class SarmConfig:
    """What ``config.json`` says of the networks; LeRobot's defaults."""

    annotation_mode: Literal["single_stage", "dense_only", "dual"] = "single_stage"
    n_obs_steps: int = 8
    frame_gap: int = 30
    image_dim: int = 512
    text_dim: int = 512
    hidden_dim: int = 768
    num_heads: int = 12
    num_layers: int = 8
    max_state_dim: int = 32
    num_sparse_stages: int = 1
    sparse_temporal_proportions: tuple[float, ...] | None = None
    num_dense_stages: int | None = None
    dense_temporal_proportions: tuple[float, ...] | None = None
    state_key: str = "observation.state"

    @property
    def num_stages(self) -> dict[Scheme, int]:
        """Of each annotation scheme."""
        sparse = self.num_sparse_stages if self.annotation_mode == "dual" else 1
        return {"sparse": sparse, "dense": self.num_dense_stages or sparse}

    def proportions(self, scheme: Scheme) -> tuple[float, ...]:
        """Shares of an episode's time that its subtasks take; equal ones if none are given."""
        count = self.num_stages[scheme]
        is_dense = scheme == "dense"
        shares = self.dense_temporal_proportions if is_dense else self.sparse_temporal_proportions
        return shares if shares and count > 1 else (1 / count,) * count


def read_sarm_config(content: Mapping[str, Any], folder: Path) -> SarmConfig:
    """Return the configuration of a network that there can be.

    Raises:
        InvalidInputError: another type of model.
        CorruptFileError: no network has these sizes.
    """
    place = folder / CONFIG
    check_choice(place, "type", content.get("type"), "sarm")
    config = read_fields(SarmConfig, content, place)
    sizes = (config.image_dim, config.text_dim, config.hidden_dim, config.max_state_dim)
    layers = (config.num_heads, config.num_layers, *config.num_stages.values())
    is_possible = min(*sizes, *layers, config.frame_gap, config.n_obs_steps) >= 1
    if not is_possible or config.hidden_dim % config.num_heads or config.n_obs_steps > MAX_STEPS:
        raise CorruptFileError(f"{place}: no network has these sizes: {config}.")
    schemes: tuple[Scheme, ...] = ("sparse", "dense")
    for scheme in schemes:
        shares = config.proportions(scheme)
        if len(shares) != config.num_stages[scheme] or min(shares) < 0 or not sum(shares) > 0:
            raise CorruptFileError(
                f"{place}: {scheme}_temporal_proportions of {config.num_stages[scheme]} subtasks "
                f"are {shares}."
            )
    return config


class WindowTransformer(nn.Module):
    """Streams of a window, one after the other, to numbers for each of its frames.

    Args:
        config: sizes.
        streams: camera, sentence, state, and the subtask where it is known.
        outputs: numbers of a frame, of each scheme.
    """

    def __init__(self, config: SarmConfig, streams: int, outputs: Mapping[Scheme, int]) -> None:
        super().__init__()
        width = config.hidden_dim
        self.lang_proj = nn.Linear(config.text_dim, width)
        self.visual_proj = nn.Linear(config.image_dim, width)
        self.state_proj = nn.Linear(config.max_state_dim, width)
        layer = nn.TransformerEncoderLayer(
            width, config.num_heads, 4 * width, dropout=0.0, batch_first=True
        )
        self.transformer = nn.TransformerEncoder(
            layer, config.num_layers, enable_nested_tensor=False
        )
        self.first_pos = nn.Parameter(torch.zeros(1, width))
        fused = streams * width
        self.fusion_backbone = nn.Sequential(
            nn.LayerNorm(fused), nn.Linear(fused, width), nn.ReLU()
        )
        self.heads = nn.ModuleDict({name: nn.Linear(width, n) for name, n in outputs.items()})

    def forward(
        self,
        pictures: Tensor,
        sentence: Tensor,
        states: Tensor,
        scheme: Scheme,
        stages: Tensor | None = None,
    ) -> Tensor:
        """Numbers (B, T, outputs) of windows.

        Args:
            pictures: embeddings (B, T, image).
            sentence: its embedding (text,).
            states: (B, T, state).
            scheme: of annotations.
            stages: known subtasks (B, T), where the network reads them.
        """
        count, length, _ = pictures.shape
        projected = self.visual_proj(pictures)
        # Only the window's first picture is marked; order else is known by the causal mask alone.
        first = projected[:, :1] + self.first_pos
        views = torch.cat([first, projected[:, 1:]], 1)
        words = self.lang_proj(sentence).expand(count, length, -1)
        streams = [views, words, self.state_proj(states)]
        if stages is not None:
            streams.append(self._one_hot(stages, views))
        tokens = torch.cat(streams, 1)
        size = tokens.shape[1]
        mask = torch.ones(size, size, dtype=torch.bool, device=tokens.device).triu(1)
        hidden = self.transformer(tokens, mask=mask, is_causal=True)
        by_stream = torch.stack(hidden.split(length, 1), 2)
        return self.heads[scheme](self.fusion_backbone(by_stream.flatten(2)))

    @staticmethod
    def _one_hot(stages: Tensor, like: Tensor) -> Tensor:
        """Subtasks (B, T) as vectors of the network's width; those beyond it are zeros."""
        numbers = torch.arange(like.shape[2], device=like.device)
        return (stages.unsqueeze(2) == numbers).to(like.dtype)


class SarmNetwork(nn.Module):
    """Both networks."""

    def __init__(self, config: SarmConfig) -> None:
        super().__init__()
        self.config = config
        self.stage_model = WindowTransformer(config, 3, config.num_stages)
        ones: dict[Scheme, int] = {"sparse": 1, "dense": 1}
        self.subtask_model = WindowTransformer(config, 4, ones)

    def forward(self, pictures: Tensor, sentence: Tensor, states: Tensor, scheme: Scheme) -> Tensor:
        """Progress (B, T) in [0, 1]: the likeliest subtask, and how far it is."""
        stages = self.stage_model(pictures, sentence, states, scheme).argmax(2)
        shares = self.subtask_model(pictures, sentence, states, scheme, stages)
        share = shares.sigmoid().squeeze(2)
        starts = _breakpoints(self.config.proportions(scheme)).to(shares)
        begin = starts[stages]
        length = starts[stages + 1] - begin
        progress = begin + share * length
        return progress.clamp(0.0, 1.0)


def _breakpoints(proportions: Sequence[float]) -> Tensor:
    """Progress at which each subtask begins, and 1."""
    shares = torch.tensor(proportions, dtype=torch.float64)
    starts = torch.cat([torch.zeros(1, dtype=torch.float64), (shares / shares.sum()).cumsum(0)])
    starts[-1] = 1.0
    return starts


def check_scheme(config: SarmConfig, scheme: Scheme, place: object) -> None:
    """Refuse a head that was not trained.

    Raises:
        InvalidInputError: the model has no such annotations.
    """
    if scheme == "dense" and config.annotation_mode == "single_stage":
        raise InvalidInputError(
            f"{place}: annotation_mode is 'single_stage', so that the dense head learned nothing; "
            "leave --reward.head out."
        )
