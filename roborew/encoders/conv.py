"""The encoder that is learned from the demonstrations themselves: small, no download, seconds on a
CPU."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from roborew.encoders.mini_network import PictureLayers
from roborew.encoders.preprocess import encode_in_batches, resize_frames
from roborew.encoders.text import WIDTH as TEXT_WIDTH
from roborew.encoders.text import embed_text
from roborew.errors import InvalidInputError
from roborew.learning.examples import EpisodeFrames, Features, Report
from roborew.learning.instructions import InstructionSampler
from roborew.learning.optim import GradientDescent, seeded_weights
from roborew.learning.sampling import progress_uniform_weights
from roborew.learning.state import load_module_state, module_state
from roborew.types import Video

SHIFT = 4
"""Each picture is moved by up to so many pixels while learning."""
DECAY = 0.05
"""Decoupled weight decay."""
REFUSED = 0.2
"""Weight of what is asked under a wrong sentence: that nothing is progress there says little of
what is seen."""

EVEN = 0.5
"""Share of frames that are drawn evenly over an episode's progress in place of its time, most of
which may be rest."""


class ConvEncoder:
    """Strided convolutions and feature positions (`PictureLayers`), fitted to the demonstrations at
    hand.

    Three things are asked of a frame's vector: progress and success under the episode's sentence
    (and 0 under another sentence of the set, or a wrong one), where they are labelled; and, of two
    frames of one episode, how far apart in time they lie, which needs no label.

    Args:
        seed: of weights and order.
        steps: gradient steps.
        batch: pairs of frames a step.
        width: D, entries of a frame's vector.
        device: a torch device name.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        steps: int = 500,
        batch: int = 64,
        width: int = 128,
        device: str = "cpu",
    ) -> None:
        if steps < 1 or batch < 2 or width < 8:
            raise InvalidInputError(
                f"conv: expected steps >= 1, batch >= 2, width >= 8; got {steps}, {batch} and "
                f"{width}."
            )
        self._seed, self._steps, self._batch, self._device = seed, steps, batch, device
        with seeded_weights(seed):
            self._layers = PictureLayers((16, 32, 48, 64), width).to(device)
            self._heads = _Heads(width).to(device)

    @property
    def identity(self) -> str:
        """Weights and preprocessing; changes with `learn`."""
        digest = hashlib.sha256()
        for name, array in sorted(self.state_dict().items()):
            digest.update(name.encode() + array.tobytes())
        return f"conv-96x72-{digest.hexdigest()[:32]}"

    def learn(self, episodes: Sequence[EpisodeFrames], report: Report) -> None:
        """Fit to the demonstrations; the same ones in the same order give the same weights."""
        rng = np.random.default_rng(self._seed)
        reel = _Reel(episodes)
        descent = GradientDescent(
            [*self._layers.parameters(), *self._heads.parameters()],
            self._steps,
            rate=2e-3,
            decay=DECAY,
        )
        self._layers.train()
        for step in range(self._steps):
            first, second = reel.pairs(rng, self._batch)
            vectors = self._vectors(
                _moved(reel.pixels[np.concatenate([first, second])], rng).to(self._device)
            )
            loss = descent.step(self._heads.loss(vectors, reel, first, second, rng))
            if step % 20 == 0 or step == self._steps - 1:
                report("encoder loss", loss)
                report(f"encoder steps, of {self._steps}", step + 1)
        self._layers.eval()

    def encode(self, frames: Video) -> Features:
        """Vectors (T, D)."""
        return encode_in_batches(self._vectors, frames, self._device)

    def encode_text(self, sentence: str) -> NDArray[np.float32]:
        """The sentence's vector, shape (E,)."""
        return embed_text(sentence)

    def state_dict(self) -> Mapping[str, NDArray[Any]]:
        """The weights of the layers that read pictures."""
        return module_state(self._layers)

    def load_state_dict(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over saved weights."""
        load_module_state(self._layers, arrays, "conv")

    def _vectors(self, frames: Tensor) -> Tensor:
        vectors = self._layers(frames.to(memory_format=torch.channels_last))
        return functional.layer_norm(vectors, vectors.shape[1:])


class _Reel:
    """All frames in one array, with their labels and where each episode lies."""

    def __init__(self, episodes: Sequence[EpisodeFrames]) -> None:
        self.pixels = np.concatenate([resize_frames(one.frames) for one in episodes])
        lengths = [len(one.frames) for one in episodes]
        self.start = np.repeat(np.cumsum([0, *lengths[:-1]]), lengths)
        self.length = np.repeat(lengths, lengths)
        self.episode = np.repeat(np.arange(len(episodes)), lengths)
        self.sentences = InstructionSampler(episodes)
        self.progress = np.concatenate([_known(one.progress, len(one.frames)) for one in episodes])
        self.success = np.concatenate([_known(one.success, len(one.frames)) for one in episodes])
        even = [
            len(one.frames) * progress_uniform_weights(_known(one.progress, len(one.frames)))
            for one in episodes
        ]
        self._chances = (EVEN * np.concatenate(even) + 1 - EVEN) / len(self.pixels)

    def pairs(
        self, rng: np.random.Generator, count: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Frames, and for each another one of the same episode."""
        first = rng.choice(len(self.pixels), count, p=self._chances)
        return first, self.start[first] + rng.integers(0, self.length[first])


class _Heads(nn.Module):
    """What the vectors are asked while learning; not kept."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.label = nn.Sequential(nn.Linear(width + TEXT_WIDTH, 128), nn.ReLU(), nn.Linear(128, 2))
        self.apart = nn.Sequential(nn.Linear(2 * width, 128), nn.ReLU(), nn.Linear(128, 1))

    def loss(
        self,
        vectors: Tensor,
        reel: _Reel,
        first: NDArray[np.int64],
        second: NDArray[np.int64],
        rng: np.random.Generator,
    ) -> Tensor:
        """Progress and success under the right and a wrong sentence, and the time between the
        frames of a pair."""
        device, both = vectors.device, np.concatenate([first, second])
        right = reel.sentences.sample_matching(rng, reel.episode[both])
        wrong = reel.sentences.sample_mismatched(rng, reel.episode[both])
        total = vectors.new_zeros(())
        everywhere = np.ones(len(both), np.bool_)
        for rows, known, zero, weight in (
            (right, everywhere, False, 1.0),
            (wrong, wrong >= 0, True, REFUSED),
        ):
            if not known.any():
                continue
            text = torch.as_tensor(reel.sentences.embeddings[rows], device=device)
            logits = self.label(torch.cat([vectors, text], dim=1))
            for column, labels in enumerate((reel.progress[both], reel.success[both])):
                asked = torch.as_tensor(known & ~np.isnan(labels), device=device)
                wanted = torch.as_tensor(
                    np.zeros_like(labels) if zero else np.nan_to_num(labels), device=device
                )
                losses = functional.binary_cross_entropy_with_logits(
                    logits[:, column], wanted, reduction="none"
                )
                squared = (logits[:, column].sigmoid() - wanted).square()
                total = total + weight * ((losses + 5 * squared) * asked).sum() / asked.sum().clamp(
                    min=1
                )
        gap = torch.as_tensor(
            (second - first) / reel.length[first], device=device, dtype=torch.float32
        )
        halves = vectors.chunk(2)
        return total + 2 * functional.mse_loss(self.apart(torch.cat(halves, dim=1))[:, 0], gap)


def _known(labels: NDArray[Any] | None, length: int) -> NDArray[np.float32]:
    return np.full(length, np.nan, np.float32) if labels is None else labels.astype(np.float32)


def _moved(pixels: NDArray[np.uint8], rng: np.random.Generator) -> Tensor:
    """Float frames in [-1, 1], each moved by a few pixels (Kostrikov et al. 2020, arXiv:2004.13649)
    and of another brightness."""
    padded = np.pad(pixels, ((0, 0), (0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, pixels.shape[2:], axis=(2, 3))
    y, x = rng.integers(0, 2 * SHIFT + 1, (2, len(pixels)))
    frames = torch.as_tensor(windows[np.arange(len(pixels)), :, y, x]).float()
    gain = torch.as_tensor(rng.uniform(0.85, 1.15, (len(pixels), 1, 1, 1)), dtype=torch.float32)
    return frames.mul_(gain / 127.5).sub_(1).clamp_(max=1)
