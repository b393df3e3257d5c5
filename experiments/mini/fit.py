"""Fit the network to labelled frames and sentences. Each picture is read once and compared with
many sentences."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from experiments.mini.english import word_pool
from experiments.mini.frames import Frames
from experiments.mini.language import TASKS, batch, vocabulary, word_set
from roborew.encoders.mini_network import MiniConfig, MiniNetwork
from roborew.encoders.tokens import UNKNOWN, encode

PICTURES = 128
"""Pictures of one gradient step."""
SEAMS = frozenset(
    {
        "and",
        "so",
        "until",
        "by",
        "with",
        "to",
        "onto",
        "on",
        "into",
        "then",
        "in",
        "using",
        "at",
        "above",
    }
)
"""Words that begin a phrase."""
SENTENCES = 64
"""Sentences of one gradient step; every picture is compared with each of them."""


def new_network(seed: int) -> MiniNetwork:
    """A network with fresh weights."""
    torch.manual_seed(seed)
    return MiniNetwork(MiniConfig(vocabulary()))


def tokens(sentences: Sequence[str], words: tuple[str, ...]) -> tuple[Tensor, Tensor]:
    """Ids (S, ROWS, SUB_IDS) and mask (S, ROWS)."""
    ids, masks = zip(*(encode(sentence, words) for sentence in sentences), strict=True)
    return torch.as_tensor(np.stack(ids)), torch.as_tensor(np.stack(masks))


def roughened(
    drawn: Sequence[tuple[str, str | None]], rng: np.random.Generator
) -> list[tuple[str, str | None]]:
    """Two in ten sentences that ask for a task gain one English word between two of their phrases.

    Without it the network learns that any word it does not know turns a request into nonsense, and
    refuses
    paraphrases for their filler. Within a phrase an unknown word does change the meaning: not every
    cube is the cube.
    """
    pool = _fillers()
    rough: list[tuple[str, str | None]] = []
    for sentence, label in drawn:
        words = sentence.split()
        if label is not None and rng.random() < 0.2:
            seams = [0, len(words), *(i for i, word in enumerate(words) if word.lower() in SEAMS)]
            words.insert(seams[int(rng.integers(len(seams)))], pool[int(rng.integers(len(pool)))])
        rough.append((" ".join(words), label))
    return rough


@cache
def _fillers() -> tuple[str, ...]:
    known = {*vocabulary(), *word_set("negation_word")}
    return tuple(word for word in word_pool() if word not in known)


def forget_words(
    ids: Tensor, mask: Tensor, rng: np.random.Generator, share: float = 0.06
) -> Tensor:
    """Some known words are read by their trigrams alone, so that these come to mean something."""
    forgotten = torch.as_tensor(rng.random(mask.shape) < share) & mask & (ids[..., 0] > UNKNOWN)
    ids = ids.clone()
    ids[..., 0][forgotten] = UNKNOWN
    return ids


def augmented(pixels: NDArray[np.uint8], rng: np.random.Generator) -> Tensor:
    """Frames (B, 3, 72, 96) in [0, 1], half of them shifted by up to 2 pixels and of another
    brightness and tint."""
    frames = torch.as_tensor(pixels).permute(0, 3, 1, 2).float() / 255
    dx, dy = (int(v) for v in rng.integers(-2, 3, 2))
    half = len(frames) // 2
    padded = functional.pad(frames[:half], (2, 2, 2, 2), mode="replicate")
    frames[:half] = padded[
        :, :, 2 + dy : 2 + dy + frames.shape[2], 2 + dx : 2 + dx + frames.shape[3]
    ]
    gain = torch.as_tensor(
        rng.uniform(0.85, 1.15, (half, 1, 1, 1)) * rng.uniform(0.95, 1.05, (half, 3, 1, 1))
    )
    shift = torch.as_tensor(rng.uniform(-0.05, 0.05, (half, 1, 1, 1)))
    frames[:half] = (frames[:half] * gain.float() + shift.float()).clamp(0, 1)
    return frames


def targets(
    frames: Frames, index: NDArray[np.int64], labels: Sequence[str | None]
) -> tuple[Tensor, Tensor]:
    """Progress and success (B, S) of the chosen frames under each labelled sentence; 0 without a
    label."""
    columns = np.array([TASKS.index(label) if label else -1 for label in labels])
    known = columns >= 0
    return (
        torch.as_tensor(frames.progress[index][:, columns] * known),
        torch.as_tensor(frames.success[index][:, columns] * known),
    )


def loss_of(logits: Tensor, progress: Tensor, success: Tensor, labelled: Tensor) -> Tensor:
    """Cross-entropy to soft progress and to success; sentences with and without a task weigh alike,
    (B, S, 2) in."""
    weights = torch.where(
        labelled, 0.5 / labelled.float().mean().clamp(min=0.05), 0.5 / (~labelled).float().mean()
    )
    about_progress = functional.binary_cross_entropy_with_logits(
        logits[..., 0], progress, reduction="none"
    )
    squared = (logits[..., 0].sigmoid() - progress).square()
    about_success = functional.binary_cross_entropy_with_logits(
        logits[..., 1], success, reduction="none"
    )
    return ((about_progress + 5 * squared + 0.5 * about_success) * weights).mean()


def fit(
    network: MiniNetwork,
    frames: Frames,
    steps: int,
    seed: int,
    rate: float = 1.5e-3,
    log: int = 200,
) -> None:
    """Fit in place for ``steps`` gradient steps; frames are drawn in proportion to their weight."""
    rng = np.random.default_rng(seed)
    optimiser = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, rate, total_steps=steps, pct_start=0.1
    )
    chances = (frames.weight / frames.weight.sum()).astype(np.float64)
    pool = rng.choice(len(frames), steps * PICTURES, p=chances / chances.sum())
    began, running = time.monotonic(), 0.0
    network.train()
    for step in range(steps):
        index = pool[step * PICTURES : (step + 1) * PICTURES]
        drawn = roughened(batch(rng, SENTENCES), rng)
        ids, mask = tokens([sentence for sentence, _ in drawn], network.config.vocabulary)
        ids = forget_words(ids, mask, rng)
        progress, success = targets(frames, index, [label for _, label in drawn])
        with torch.autocast("cpu", torch.bfloat16):
            pictures = network.encode_frames(augmented(frames.pixels[index], rng))
            sentences = network.encode_sentences(ids, mask)
            logits = network.predict(pictures[:, None], sentences[None])
        labelled = torch.tensor([label is not None for _, label in drawn])
        loss = loss_of(logits.float(), progress, success, labelled)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        running += (float(loss.detach()) - running) * max(0.01, 1 / (step + 1))
        if log and (step + 1) % log == 0:
            print(
                f"fit step {step + 1}/{steps} loss {running:.4f} {time.monotonic() - began:.0f} s",
                flush=True,
            )
    network.eval()
