"""Fit what reads the sentence, long and alone: pictures are read once by the finished network and
only compared anew."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from experiments.mini.fit import forget_words, loss_of, roughened, targets, tokens
from experiments.mini.frames import Frames
from experiments.mini.language import batch
from roborew.encoders.mini_network import MiniNetwork

PICTURES, SENTENCES = 48, 128
"""Pictures and sentences of one gradient step; every picture is compared with each sentence."""
RATE, HEAD_RATE = 2e-3, 2e-4
"""Highest learning rates of the sentence's layers and of the layers that join it with the
picture."""


@dataclass(frozen=True, slots=True)
class _Sentences:
    """Draws the sentences of a step, in another process."""

    vocabulary: tuple[str, ...]
    seed: int

    def __call__(self, step: int) -> tuple[list[str | None], NDArray[np.int64], NDArray[np.bool_]]:
        rng = np.random.default_rng([self.seed, step])
        drawn = roughened(batch(rng, SENTENCES), rng)
        ids, mask = tokens([sentence for sentence, _ in drawn], self.vocabulary)
        return [label for _, label in drawn], forget_words(ids, mask, rng).numpy(), mask.numpy()


def picture_vectors(network: MiniNetwork, frames: Frames) -> Tensor:
    """What the network makes of every frame, shape (N, hidden)."""
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        parts = [
            network.encode_frames(
                torch.as_tensor(frames.pixels[start : start + 512]).permute(0, 3, 1, 2).float()
                / 255
            ).float()
            for start in range(0, len(frames), 512)
        ]
    return torch.cat(parts)


def fit_language(
    network: MiniNetwork, frames: Frames, steps: int, seed: int, log: int = 500
) -> None:
    """Fit what reads the sentence, in place, for ``steps`` gradient steps; what reads the picture
    stays as it is."""
    vectors, rng = picture_vectors(network, frames), np.random.default_rng(seed)
    groups = {
        "sentence": RATE,
        "film": HEAD_RATE,
        "norm": HEAD_RATE,
        "middle": HEAD_RATE,
        "out": HEAD_RATE,
    }
    fitted = [
        {
            "params": [p for name, p in network.named_parameters() if name.startswith(part)],
            "lr": rate,
        }
        for part, rate in groups.items()
    ]
    parameters = [parameter for group in fitted for parameter in group["params"]]
    optimiser = torch.optim.AdamW(fitted, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, [group["lr"] for group in fitted], total_steps=steps, pct_start=0.05
    )
    chances = frames.weight.astype(np.float64)
    index = rng.choice(len(frames), (steps, PICTURES), p=chances / chances.sum())
    began, running = time.monotonic(), 0.0
    network.train()
    for step, (labels, ids, mask) in enumerate(_drawn(network, steps, seed)):
        progress, success = targets(frames, index[step], labels)
        with torch.autocast("cpu", torch.bfloat16):
            sentences = network.encode_sentences(torch.as_tensor(ids), torch.as_tensor(mask))
            logits = network.predict(vectors[index[step]][:, None], sentences[None])
        labelled = torch.tensor([label is not None for label in labels])
        loss = loss_of(logits.float(), progress, success, labelled)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        schedule.step()
        running += (float(loss.detach()) - running) * max(0.01, 1 / (step + 1))
        if log and (step + 1) % log == 0:
            print(
                f"language step {step + 1}/{steps} loss {running:.4f} "
                f"{time.monotonic() - began:.0f} s",
                flush=True,
            )
    network.eval()


def _drawn(
    network: MiniNetwork, steps: int, seed: int
) -> Iterator[tuple[list[str | None], NDArray[np.int64], NDArray[np.bool_]]]:
    with get_context("spawn").Pool(1) as pool:
        yield from pool.imap(_Sentences(network.config.vocabulary, seed), range(steps), chunksize=8)
