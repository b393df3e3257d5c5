"""The encoder that is learned from the demonstrations themselves: small, no download, minutes on a
CPU."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from roborew.encoders.mini_network import PictureLayers
from roborew.encoders.preprocess import encode_in_batches, resize_frames, shrink_frame
from roborew.encoders.text import WIDTH as TEXT_WIDTH
from roborew.encoders.text import embed_text
from roborew.errors import InvalidInputError
from roborew.learning.comparisons import FrameComparisons
from roborew.learning.episode_layout import EpisodeLayout
from roborew.learning.examples import EpisodeFrames, Features, Report
from roborew.learning.instructions import InstructionSampler
from roborew.learning.optim import GradientDescent, seeded_weights
from roborew.learning.sampling import Indices, progress_uniform_weights
from roborew.learning.state import load_module_state, module_state
from roborew.types import Frame, Video

MAX_SHIFT_PIXELS = 4
"""Each picture is moved by up to so many pixels while learning."""
BRIGHTNESS_RANGE = (0.85, 1.15)
WEIGHT_DECAY = 0.05
LEARNING_RATE = 2e-3
MISMATCHED_WEIGHT = 0.2
"""Weight of the loss under a wrong sentence: that nothing is progress there says little of what is
seen."""
SQUARED_ERROR_WEIGHT = 5
TIME_GAP_WEIGHT = 2
PROGRESS_UNIFORM_RATIO = 0.5
"""Share of frames that are drawn evenly over an episode's progress in place of its time, most of
which may be rest."""
REPORT_INTERVAL = 20
"""Gradient steps from one report to the next."""


class ConvEncoder:
    """Strided convolutions and feature positions (`PictureLayers`), fitted to the demonstrations at
    hand.

    A frame's vector is asked three things: progress and success under the episode's sentence (and 0
    under another sentence of the set, or a wrong one), where they are labeled; and, of two frames
    of one episode, how far apart in time they lie, which needs no label.

    Args:
        seed: random seed of the weights and of the sampling.
        steps: gradient steps.
        batch_size: pairs of frames a step.
        embedding_dim: D, entries of a frame's vector.
        device: a torch device name.
    """

    RENAMED: ClassVar[Mapping[str, str]] = MappingProxyType(
        {"batch": "batch_size", "width": "embedding_dim"}
    )

    def __init__(
        self,
        *,
        seed: int = 0,
        steps: int = 3000,
        batch_size: int = 64,
        embedding_dim: int = 128,
        device: str = "cpu",
    ) -> None:
        if steps < 1 or batch_size < 2 or embedding_dim < 8:
            raise InvalidInputError(
                f"conv: expected steps >= 1, batch_size >= 2, embedding_dim >= 8; got {steps}, "
                f"{batch_size} and {embedding_dim}."
            )
        self._seed = seed
        self._steps = steps
        self._batch_size = batch_size
        self._device = device
        with seeded_weights(seed):
            self._layers = PictureLayers((16, 32, 48, 64), embedding_dim).to(device)
            self._heads = _Heads(embedding_dim).to(device)

    @property
    def identity(self) -> str:
        """Weights and preprocessing; changes with `learn`."""
        digest = hashlib.sha256()
        # Sorted: the order in which layers are listed is no part of the identity.
        for name, array in sorted(self.state_dict().items()):
            digest.update(name.encode() + array.tobytes())
        return f"conv-96x72-{digest.hexdigest()[:32]}"

    def learn(self, episodes: Sequence[EpisodeFrames], report: Report) -> None:
        """Fit to the demonstrations; the same ones in the same order give the same weights."""
        sampler = _FrameSampler(episodes)

        def loss(rng: np.random.Generator) -> Tensor:
            first, second = sampler.sample_pairs(rng, self._batch_size)
            vectors = self._augmented_vectors(sampler, np.concatenate([first, second]), rng)
            return self._heads.loss(vectors, sampler.label(rng, first, second))

        self._minimize(loss, report)

    def learn_comparisons(
        self, episodes: Sequence[EpisodeFrames], comparisons: FrameComparisons, report: Report
    ) -> None:
        """Fit to which of two frames was called the better one, see `_Heads.comparison_loss`; the
        same in the same order give the same weights."""
        sampler = _FrameSampler(episodes)
        segments = comparisons.segments

        def loss(rng: np.random.Generator) -> Tensor:
            chosen = rng.integers(0, len(segments), self._batch_size)
            # Of pieces of several frames one each: the better piece holds the better frames.
            offsets = rng.integers(0, segments.shape[2], self._batch_size)
            first, second = segments[chosen, :, offsets].T
            vectors = self._augmented_vectors(sampler, np.concatenate([first, second]), rng)
            text = sampler.text_of(rng, np.concatenate([first, second]))
            return self._heads.comparison_loss(vectors, text, comparisons.label[chosen])

        self._minimize(loss, report)

    def _augmented_vectors(
        self, sampler: _FrameSampler, rows: Indices, rng: np.random.Generator
    ) -> Tensor:
        frames = _augment(sampler.pixels[rows], rng)
        return self._vectors(frames.to(self._device))

    def _minimize(self, loss: Callable[[np.random.Generator], Tensor], report: Report) -> None:
        """Go down a loss, which draws its own batches."""
        rng = np.random.default_rng(self._seed)
        weights = [*self._layers.parameters(), *self._heads.parameters()]
        descent = GradientDescent(weights, self._steps, rate=LEARNING_RATE, decay=WEIGHT_DECAY)
        self._layers.train()
        for step in range(self._steps):
            value = descent.step(loss(rng))
            if step % REPORT_INTERVAL == 0 or step == self._steps - 1:
                report("encoder loss", value)
                report(f"encoder steps, of {self._steps}", step + 1)
        self._layers.eval()

    def shrink(self, frame: Frame) -> Frame:
        """A frame as small as `encode` makes it: its vector stays the same to the last bit."""
        return shrink_frame(frame)

    def encode(self, frames: Video) -> Features:
        """Return vectors (T, D)."""
        return encode_in_batches(self._vectors, frames, self._device)

    def encode_text(self, sentence: str) -> NDArray[np.float32]:
        """Return the sentence's vector, shape (E,)."""
        return embed_text(sentence)

    def state_dict(self) -> Mapping[str, NDArray[Any]]:
        """Return the weights of the layers that read pictures."""
        return module_state(self._layers)

    def load_state_dict(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over saved weights."""
        load_module_state(self._layers, arrays, "conv")

    def _vectors(self, frames: Tensor) -> Tensor:
        vectors = self._layers(frames.to(memory_format=torch.channels_last))
        return functional.layer_norm(vectors, vectors.shape[1:])


@dataclass(frozen=True, slots=True)
class _Batch:
    """What is asked of B pairs of frames, of the 2 B frames one after the other.

    Attributes:
        matching: a sentence that each frame's episode fulfils, shape (2 B, E).
        mismatched: one that it does not, shape (2 B, E).
        has_mismatched: where one is known, shape (2 B,).
        labels: progress and success, shape (2 B, 2), NaN where nobody knows.
        time_gap: from the first to the second frame of a pair, a share of the episode, shape (B,).
    """

    matching: NDArray[np.float32]
    mismatched: NDArray[np.float32]
    has_mismatched: NDArray[np.bool_]
    labels: NDArray[np.float32]
    time_gap: NDArray[np.float64]


class _FrameSampler:
    """Draws pairs of frames of one episode, with their labels and sentences."""

    def __init__(self, episodes: Sequence[EpisodeFrames]) -> None:
        lengths = [len(episode.frames) for episode in episodes]
        self._layout = EpisodeLayout(lengths)
        self._instructions = InstructionSampler(episodes)
        pixels = [resize_frames(episode.frames).transpose(0, 2, 3, 1) for episode in episodes]
        # Channels last, as convolutions read them fastest.
        self.pixels = np.ascontiguousarray(np.concatenate(pixels))

        progress: list[NDArray[np.float32]] = []
        success: list[NDArray[np.float32]] = []
        for episode, length in zip(episodes, lengths, strict=True):
            progress.append(_labels(episode.progress, length))
            success.append(_labels(episode.success, length))
        columns = [np.concatenate(progress), np.concatenate(success)]
        self._labels = np.stack(columns, axis=1)

        # Weights of mean 1, as a frame has that is drawn evenly over time: the two can be mixed.
        uniform: list[NDArray[np.float64]] = []
        for curve in progress:
            uniform.append(len(curve) * progress_uniform_weights(curve))
        by_progress = np.concatenate(uniform)
        weights = PROGRESS_UNIFORM_RATIO * by_progress + 1 - PROGRESS_UNIFORM_RATIO
        self._probabilities = weights / len(self.pixels)

    def sample_pairs(self, rng: np.random.Generator, count: int) -> tuple[Indices, Indices]:
        """Draw frames, and for each another one of the same episode, rows (B,) of ``pixels``."""
        first = rng.choice(len(self.pixels), count, p=self._probabilities)
        episodes = self._layout.owners[first]
        lengths = self._layout.lengths[episodes]
        steps = rng.integers(0, lengths)
        second = self._layout.rows(episodes, steps)
        return first, second

    def text_of(self, rng: np.random.Generator, rows: Indices) -> NDArray[np.float32]:
        """Draw a sentence that the episode of each frame is shown under, shape (B, E)."""
        matching = self._instructions.sample_matching(rng, self._layout.owners[rows])
        return self._instructions.embeddings[matching]

    def label(self, rng: np.random.Generator, first: Indices, second: Indices) -> _Batch:
        """Draw sentences for pairs of frames, and look up what is known of them."""
        rows = np.concatenate([first, second])
        episodes = self._layout.owners[rows]
        matching = self._instructions.sample_matching(rng, episodes)
        mismatched = self._instructions.sample_mismatched(rng, episodes)
        lengths = self._layout.lengths[self._layout.owners[first]]
        return _Batch(
            matching=self._instructions.embeddings[matching],
            mismatched=self._instructions.embeddings[mismatched],
            has_mismatched=mismatched >= 0,
            labels=self._labels[rows],
            time_gap=(second - first) / lengths,
        )


class _Heads(nn.Module):
    """What the vectors are asked while learning; not kept."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.label = _mlp(width + TEXT_WIDTH, 2)
        self.apart = _mlp(2 * width, 1)

    def loss(self, vectors: Tensor, batch: _Batch) -> Tensor:
        """Return the loss of vectors (2 B, D).

        ``L = L(matching, y) + 0.2 L(mismatched, 0) + 2 MSE(gap', gap)``, where ``L`` sums, over
        progress and success, the mean of ``BCE(y', y) + 5 (y' - y)^2`` over the frames whose label
        is known.
        """
        device = vectors.device
        is_unknown = np.isnan(batch.labels)
        labels = torch.as_tensor(np.nan_to_num(batch.labels), device=device)
        is_known = torch.as_tensor(~is_unknown, device=device)
        matching = torch.as_tensor(batch.matching, device=device)
        losses = self._label_losses(vectors, matching, labels, is_known, 1.0)
        if batch.has_mismatched.any():
            mismatched = torch.as_tensor(batch.mismatched, device=device)
            has_mismatched = torch.as_tensor(batch.has_mismatched, device=device)
            mask = is_known & has_mismatched[:, None]
            zeros = torch.zeros_like(labels)
            losses += self._label_losses(vectors, mismatched, zeros, mask, MISMATCHED_WEIGHT)
        total = vectors.new_zeros(())
        for loss in losses:
            total = total + loss
        time_gap = torch.as_tensor(batch.time_gap, device=device, dtype=torch.float32)
        first, second = vectors.chunk(2)
        pairs = torch.cat([first, second], dim=1)
        predicted_gap = self.apart(pairs)[:, 0]
        time_gap_loss = functional.mse_loss(predicted_gap, time_gap)
        return total + TIME_GAP_WEIGHT * time_gap_loss

    def comparison_loss(
        self, vectors: Tensor, text: NDArray[np.float32], label: NDArray[np.float32]
    ) -> Tensor:
        """Return the loss of vectors (2 B, D), the first frames of B comparisons before their second
        ones, under sentences (2 B, E), for how much speaks for the second, (B,).

        ``L = BCE(sigma(r_2 - r_1), y)``, Bradley-Terry, ``r`` being the first of the two outputs that
        labels are asked of.
        """
        sentences = torch.as_tensor(text, device=vectors.device)
        rewards = self.label(torch.cat([vectors, sentences], dim=1))[:, 0]
        first, second = rewards.chunk(2)
        target = torch.as_tensor(label, device=vectors.device)
        return functional.binary_cross_entropy_with_logits(second - first, target)

    def _label_losses(
        self, vectors: Tensor, text: Tensor, labels: Tensor, is_known: Tensor, weight: float
    ) -> list[Tensor]:
        """Weighted losses of progress and of success under sentences (2 B, E)."""
        losses = list[Tensor]()
        columns = self.label(torch.cat([vectors, text], dim=1)).unbind(1)
        for column, logits in enumerate(columns):
            target = labels[:, column]
            cross_entropy = functional.binary_cross_entropy_with_logits(
                logits, target, reduction="none"
            )
            squared_error = (logits.sigmoid() - target).square()
            loss = cross_entropy + SQUARED_ERROR_WEIGHT * squared_error
            mask = is_known[:, column]
            losses.append(weight * (loss * mask).sum() / mask.sum().clamp(min=1))
        return losses


def _mlp(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(nn.Linear(inputs, 128), nn.ReLU(), nn.Linear(128, outputs))


def _labels(labels: NDArray[Any] | None, length: int) -> NDArray[np.float32]:
    """Labels of an episode's frames, NaN where there are none."""
    if labels is None:
        return np.full(length, np.nan, np.float32)
    return labels.astype(np.float32)


def _augment(pixels: NDArray[np.uint8], rng: np.random.Generator) -> Tensor:
    """Return frames (B, H, W, 3) as float (B, 3, H, W) in [-1, 1], each moved by a few pixels (DrQ,
    Kostrikov et al. 2020, arXiv:2004.13649) and of another brightness."""
    count, height, width = pixels.shape[:3]
    margin = (MAX_SHIFT_PIXELS, MAX_SHIFT_PIXELS)
    no_margin = (0, 0)
    padded = np.pad(pixels, (no_margin, margin, margin, no_margin), mode="edge")
    num_shifts = 2 * MAX_SHIFT_PIXELS + 1
    shifts = rng.integers(0, num_shifts, (2, count))
    crops = np.empty_like(pixels)
    for index, (y, x) in enumerate(shifts.T.tolist()):
        crops[index] = padded[index, y : y + height, x : x + width]
    frames = torch.as_tensor(crops).permute(0, 3, 1, 2).float()
    low, high = BRIGHTNESS_RANGE
    brightness = rng.uniform(low, high, (count, 1, 1, 1))
    gain = torch.as_tensor(brightness, dtype=torch.float32)
    # Cut from above alone: a gain is positive, so nothing falls below -1.
    return frames.mul_(gain / 127.5).sub_(1).clamp_(max=1)
