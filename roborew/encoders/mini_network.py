"""The network of `mini`: one frame and one sentence in, progress and the probability of success
out.

The picture is read without the sentence (strided convolutions, then feature positions by spatial
soft-argmax as in Levine et al. 2016, arXiv:1504.00702, beside a flattened coarse map); the sentence
modulates the head feature by feature (FiLM, Perez et al. 2018, arXiv:1709.07871). So one picture
can be judged against many sentences at little cost.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

from roborew.encoders.tokens import ROWS, table_size
from roborew.errors import CorruptFileError, InvalidInputError
from roborew.storage.json_files import read_bounded, read_json_object
from roborew.weights.budget import NetworkBudget
from roborew.weights.files import check_finite

SHIPPED = Path(__file__).parents[1] / "rewards" / "weights" / "mini"
"""The folder of the weights in the wheel."""
MAX_MODEL_BYTES = 2**28
BROKEN = (KeyError, TypeError, ValueError, AssertionError, RuntimeError, SafetensorError)
"""What a configuration that is not of this network may raise."""


def load_network(folder: Path) -> MiniNetwork:
    """Read a network that `save_network` wrote; errors as in `Mini`."""
    config_path, tensors_path = folder / "config.json", folder / "model.safetensors"
    for path in (config_path, tensors_path):
        if not path.is_file():
            expected = "expected config.json and model.safetensors"
            raise InvalidInputError(f"mini: no file {path.name} in {folder}; {expected}.")
    # Read once: what is loaded below is exactly what was checked.
    raw = read_bounded(tensors_path, MAX_MODEL_BYTES)
    try:
        config = read_json_object(config_path)
        if hashlib.sha256(raw).hexdigest() != config["sha256"]:
            raise CorruptFileError(
                f"mini: {tensors_path} does not have config.json's sha256; copy both files anew."
            )
        tensors = load_tensors(raw)
        check_finite(tensors_path, tensors)
        with NetworkBudget((tensor.numel() for tensor in tensors.values()), tensors_path):
            network = MiniNetwork(_read_config(config))
        network.load_state_dict(tensors, strict=True)
    except BROKEN as error:
        raise CorruptFileError(
            f"mini: {folder} holds no weights of this network ({error})."
        ) from error
    return network


def save_network(network: MiniNetwork, folder: Path) -> None:
    """Write ``config.json`` and ``model.safetensors``, an older pair in ``folder`` is replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    raw = save_tensors({name: value.contiguous() for name, value in network.state_dict().items()})
    (folder / "model.safetensors").write_bytes(raw)
    config = network.config
    fields = {
        "vocabulary": list(config.vocabulary),
        "channels": list(config.channels),
        "words": config.words,
        "hidden": config.hidden,
        "sha256": hashlib.sha256(raw).hexdigest(),
    }
    (folder / "config.json").write_text(json.dumps(fields) + "\n", "utf-8")


def _read_config(fields: Mapping[str, Any]) -> MiniConfig:
    vocabulary = tuple(fields["vocabulary"])
    a, b, c, d = (int(value) for value in fields["channels"])
    words = int(fields["words"])
    hidden = int(fields["hidden"])
    return MiniConfig(vocabulary, (a, b, c, d), words, hidden)


WIDTH, HEIGHT = 96, 72
"""Size of the frames that the network reads [pixels]."""


@dataclass(frozen=True, slots=True)
class MiniConfig:
    """Sizes of the network."""

    vocabulary: tuple[str, ...]
    """Known words; their order is part of the weights."""
    channels: tuple[int, int, int, int] = (16, 32, 48, 64)
    """Feature maps of the four convolutions."""
    words: int = 128
    """Width of a word's and of the sentence's vector."""
    hidden: int = 256
    """Units of the head."""


class _Sentence(nn.Module):
    """Word vectors (sum of word and trigrams), two self-attention layers, attention pooling."""

    def __init__(self, config: MiniConfig) -> None:
        super().__init__()
        width = config.words
        self.table = nn.Embedding(table_size(config.vocabulary), width, padding_idx=0)
        nn.init.normal_(self.table.weight, std=0.3)
        self.places = nn.Parameter(torch.randn(ROWS, width) * 0.1)
        layer = nn.TransformerEncoderLayer(
            width, 4, 2 * width, dropout=0.0, batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.attention = nn.Linear(width, 1)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        # Most sentences are far shorter than the longest: rows that none uses cost nothing.
        used = mask.any(dim=0)
        ids = ids[:, used]
        is_padding = ~mask[:, used]
        words = self.table(ids).sum(dim=2) + self.places[used]
        words = self.layers(words, src_key_padding_mask=is_padding)
        logits = self.attention(words).squeeze(-1)
        # Not -inf: the softmax of a sentence without a word would be NaN.
        weights = logits.masked_fill(is_padding, -1e4).softmax(dim=1)
        weighted = weights.unsqueeze(-1) * words
        return weighted.sum(dim=1)


class PictureLayers(nn.Module):
    """Convolutions down to a twelfth of the size, read as feature positions and as a coarse map.

    Frames (B, 3, 72, 96), float in [-1, 1], become vectors (B, hidden).
    """

    def __init__(self, channels: tuple[int, int, int, int], hidden: int) -> None:
        super().__init__()
        a, b, c, d = channels
        self.fine = nn.Sequential(
            nn.Conv2d(3, a, 5, stride=3, padding=2),
            nn.ReLU(),
            nn.Conv2d(a, b, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(b, c, 3, padding=1),
        )
        self.coarse = nn.Sequential(
            nn.ReLU(), nn.Conv2d(c, d, 3, stride=2, padding=1), nn.ReLU(), nn.Flatten()
        )
        coarse_size = d * (WIDTH // 12) * (HEIGHT // 12)
        self.out = nn.Linear(coarse_size + 3 * c, hidden)
        self.temperature = nn.Parameter(torch.zeros(c))

    def forward(self, frames: Tensor) -> Tensor:
        features = self.fine(frames)
        height, width = features.shape[2:]
        # Places from -1 to 1.
        rows = torch.linspace(-1, 1, height, device=frames.device, dtype=frames.dtype)
        columns = torch.linspace(-1, 1, width, device=frames.device, dtype=frames.dtype)
        flat = features.flatten(2)
        # Spatial soft-argmax: the mean place of a feature, and its strength at the best one.
        scaled = flat * self.temperature.exp().unsqueeze(-1)
        where = scaled.softmax(dim=2).view_as(features)
        in_columns = where.sum(dim=2)
        in_rows = where.sum(dim=3)
        x = (in_columns * columns).sum(dim=2)
        y = (in_rows * rows).sum(dim=2)
        strength = flat.amax(dim=2)
        coarse = self.coarse(features)
        return self.out(torch.cat([coarse, x, y, strength], dim=1))


class MiniNetwork(nn.Module):
    """See the module's docstring; the number of parameters is about 1.6 million."""

    def __init__(self, config: MiniConfig) -> None:
        super().__init__()
        self.config = config
        self.sentence = _Sentence(config)
        self.picture = PictureLayers(config.channels, config.hidden)
        hidden = config.hidden
        half = hidden // 2
        # A scale and a shift for each feature: twice as many outputs as features.
        self.film = nn.Linear(config.words, 2 * hidden)
        self.norm = nn.LayerNorm(hidden)
        self.middle = nn.Linear(hidden, half)
        self.film_middle = nn.Linear(config.words, hidden)
        self.out = nn.Linear(half, 2)

    def encode_frames(self, frames: Tensor) -> Tensor:
        """Picture vectors (B, hidden) of frames (B, 3, 72, 96), float in [0, 1]."""
        return self.picture(frames.to(memory_format=torch.channels_last) * 2 - 1)

    def encode_sentences(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Sentence vectors (S, words) of ids (S, ROWS, SUB_IDS) and mask (S, ROWS); see
        `tokens.encode`."""
        return self.sentence(ids, mask)

    def predict(self, pictures: Tensor, sentences: Tensor) -> Tensor:
        """Logits (..., 2) of progress and success, for vectors that broadcast against each
        other."""
        # FiLM (Perez et al. 2018, arXiv:1709.07871): each feature is scaled and shifted, as the
        # sentence says.
        scale, shift = self.film(sentences).chunk(2, dim=-1)
        hidden = torch.relu(self.norm(pictures) * (1 + scale) + shift)
        scale, shift = self.film_middle(sentences).chunk(2, dim=-1)
        hidden = torch.relu(self.middle(hidden) * (1 + scale) + shift)
        return self.out(hidden)
