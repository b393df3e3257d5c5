"""`mini`: the reward that comes with roborew. A small network that reads one frame and one sentence.

It was fitted on renders of roborew's own tasks and hardened against agents that were trained on it; its model card,
``weights/mini/card.md``, says on what, how well, and where it fails. It knows no time: a frame's score depends on that
frame and the sentence alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor
from torch.nn import functional

from roborew.errors import CorruptFileError, InvalidInputError
from roborew.rewards.mini_network import HEIGHT, WIDTH, MiniConfig, MiniNetwork
from roborew.rewards.tokens import encode
from roborew.types import Clip, RewardSpec, Scores, Video

SHIPPED = Path(__file__).parent / "weights" / "mini"
"""The folder of the weights in the wheel."""
BATCH = 256
"""Frames scored at once."""
FLAT = 2.0
"""A frame whose grey levels spread less than this (standard deviation, of 255) shows nothing: mini abstains."""


class Mini:
    """Scores frames by how far the sentence's goal is reached, in [0, 1], and claims success.

    >>> import numpy as np
    >>> from roborew.types import Clip
    >>> noise = np.random.default_rng(0).integers(0, 255, (3, 72, 96, 3), dtype=np.uint8)
    >>> scores = Mini().score([Clip(frames=noise, instruction="open the drawer")])[0]
    >>> scores.value.shape, bool(scores.valid.all())
    ((3,), True)
    """

    spec = RewardSpec(
        name="mini",
        low=0.0,
        high=1.0,
        context=1,
        causal=True,
        needs_goal=False,
        claims=True,
        paper="roborew; progress and success heads as in Robometer (arXiv:2603.02115), one frame of context",
    )

    def __init__(self, *, weights: Path = SHIPPED, device: str = "cpu") -> None:
        """Load the weights.

        Args:
            weights: a folder with ``config.json`` and ``model.safetensors``.
            device: where the network lives, a torch device name.

        Raises:
            InvalidInputError: the folder or one of its files is absent.
            CorruptFileError: the checksum, the header or a tensor's name or shape does not fit.
        """
        self._device = torch.device(device)
        self._network = load_network(Path(weights)).to(self._device).eval()
        self._understand = lru_cache(maxsize=256)(self._encode)

    def score(self, clips: Sequence[Clip]) -> list[Scores]:
        """Score every frame alone. A flat frame (black, one colour) is an abstention.

        Args:
            clips: frames of any size; those that are not 96 x 72 are resized (bilinear, antialiased), aspect ignored.
        """
        if not clips:
            return []
        lengths = [len(clip.frames) for clip in clips]
        texts = list(dict.fromkeys(clip.instruction for clip in clips))
        which = np.repeat([texts.index(clip.instruction) for clip in clips], lengths)
        progress, success, valid = self._score_frames([clip.frames for clip in clips], texts, which)
        bounds = np.cumsum(lengths)[:-1]
        parts = zip(*(np.split(part, bounds) for part in (progress, valid, success)), strict=True)
        return [Scores(value, ok, claim) for value, ok, claim in parts]

    def _score_frames(
        self, videos: list[Video], texts: list[str], which: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
        with torch.inference_mode():
            sentences = torch.cat([self._understand(text) for text in texts])
            frames, valid = _stack(videos)
            parts: list[Tensor] = []
            for start in range(0, len(frames), BATCH):
                batch = frames[start : start + BATCH].to(self._device).float() / 255
                chosen = sentences[torch.as_tensor(which[start : start + BATCH], device=self._device)]
                parts.append(self._network.judge(self._network.read(batch), chosen).sigmoid())
            both = torch.cat(parts).cpu().numpy()
        return both[:, 0].copy(), both[:, 1].copy(), valid

    def _encode(self, text: str) -> Tensor:
        ids, mask = encode(text, self._network.config.vocabulary)
        return self._network.understand(
            torch.as_tensor(ids, device=self._device)[None], torch.as_tensor(mask, device=self._device)[None]
        )


def _stack(videos: list[Video]) -> tuple[Tensor, NDArray[np.bool_]]:
    """All frames as (B, 3, 72, 96) uint8, and whether each shows anything."""
    parts: list[Tensor] = []
    shows: list[NDArray[np.bool_]] = []
    native = [video for video in videos if video.shape[1:3] == (HEIGHT, WIDTH)]
    if len(native) == len(videos):
        videos = [np.concatenate(videos)]
    for video in videos:
        shows.append(video[:, ::4, ::4].std(axis=(1, 2, 3)) >= FLAT)
        frames = torch.as_tensor(np.ascontiguousarray(video)).permute(0, 3, 1, 2)
        if frames.shape[2:] != (HEIGHT, WIDTH):
            resized = functional.interpolate(frames.float(), (HEIGHT, WIDTH), mode="bilinear", antialias=True)
            frames = resized.round().clamp(0, 255).to(torch.uint8)
        parts.append(frames)
    return torch.cat(parts), np.concatenate(shows)


def load_network(folder: Path) -> MiniNetwork:
    """Read a network that `save_network` wrote; errors as in `Mini`."""
    config_path, tensors_path = folder / "config.json", folder / "model.safetensors"
    for path in (config_path, tensors_path):
        if not path.is_file():
            expected = "expected config.json and model.safetensors"
            raise InvalidInputError(f"mini: no file {path.name} in {folder}; {expected}.")
    raw = tensors_path.read_bytes()
    try:
        config: dict[str, Any] = json.loads(config_path.read_text("utf-8"))
        if hashlib.sha256(raw).hexdigest() != config["sha256"]:
            raise CorruptFileError(f"mini: {tensors_path} does not have config.json's sha256; copy both files anew.")
        network = MiniNetwork(_read_config(config))
        network.load_state_dict(load_tensors(raw), strict=True)
    except (json.JSONDecodeError, KeyError, TypeError, SafetensorError, RuntimeError) as error:
        raise CorruptFileError(f"mini: {folder} holds no weights of this network ({error}).") from error
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
    a, b, c, d = (int(value) for value in fields["channels"])
    return MiniConfig(tuple(fields["vocabulary"]), (a, b, c, d), int(fields["words"]), int(fields["hidden"]))
