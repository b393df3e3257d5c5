"""Pairs of frames with their progress, and a network that says by how much the second is nearer to the goal: what
`pair` and `hop` share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from roborew.critics.heads import cross_entropy, expectation, masked_mean, two_hot
from roborew.critics.labels import progress_labels, success_labels
from roborew.critics.objective import Example
from roborew.critics.sampling import Positions, balanced
from roborew.critics.sentences import Sentences

NEAR = 8
"""Half of the pairs are at most so many frames apart: progress is summed up over such steps."""
STILL, FOREIGN, ANCHORED = 0.05, 0.1, 0.25
"""Shares of pairs of frames between which next to no pixel changes (a frame with itself where there are no others, or
nobody looked), under another task's sentence, and with the episode's start first."""
REFUSED = 0.25
"""Share of the pairs under a sentence that the task names wrong, of episodes that have such."""


@dataclass(frozen=True, slots=True)
class Compared:
    """Pairs of frames of one batch, as positions in the stack of all frames, shape (B,) each.

    Attributes:
        start: the first frame of the pair's episode.
        before: the first of the pair.
        after: the second.
        p: progress of the first, NaN where nobody knows.
        q: progress of the second.
        done: whether the goal holds in the second, 0 or 1, NaN where nobody knows.
        sentence: row of `roborew.critics.sentences` that is given.
        asked: the episode that brought it; the pair's own one for a sentence that its task names wrong.
        matched: whether the pair's task is meant; if not, it did not move.
    """

    start: Positions
    before: Positions
    after: Positions
    p: NDArray[np.float32]
    q: NDArray[np.float32]
    done: NDArray[np.float32]
    sentence: Positions
    asked: Positions
    matched: NDArray[np.bool_]


class FramePairs:
    """Draws pairs of frames from episodes, every grade of every task as often as the others.

    Args:
        examples: at least one.
    """

    def __init__(self, examples: Sequence[Example]) -> None:
        self._kinds = [(example.instruction, example.quality or example.success) for example in examples]
        self._sentences = Sentences(examples)
        self._lengths = np.array([len(example.features) for example in examples])
        self._starts = np.cumsum([0, *self._lengths[:-1]])
        self._progress = np.concatenate([progress_labels(example) for example in examples])
        self._success = np.concatenate([success_labels(example) for example in examples])
        self._still = np.concatenate([np.arange(len(e.features)) if e.still is None else e.still for e in examples])

    def draw(self, rng: np.random.Generator, count: int) -> Compared:
        """Pairs near and far, forwards and backwards, of frames alike, from the start, and under a wrong sentence;
        each pair is as often shown the other way round."""
        episodes = balanced(rng, self._kinds, count)
        lengths, starts = self._lengths[episodes], self._starts[episodes]
        one = rng.integers(0, lengths)
        gap = np.where(rng.random(count) < 0.5, rng.integers(1, NEAR + 1, count), rng.integers(1, lengths))
        other = np.where(one + gap < lengths, one + gap, np.maximum(one - gap, 0))
        kind = rng.random(count)
        alike, stands = self._alike(starts, one, kind / STILL), kind < STILL
        other = np.where(stands, alike, np.where(kind > 1 - ANCHORED, 0, other))
        swapped = rng.random(count) < 0.5
        before, after = np.where(swapped, other, one) + starts, np.where(swapped, one, other) + starts
        foreign = self._sentences.wrong(rng, episodes)
        named = foreign >= len(self._starts)
        wrong = (foreign >= 0) & (rng.random(count) < np.where(named, REFUSED, FOREIGN))
        sentence = np.where(wrong, foreign, self._sentences.right(rng, episodes))
        return Compared(
            start=starts,
            before=before,
            after=after,
            p=self._progress[before],
            q=np.where(stands, self._progress[before], self._progress[after]),
            done=np.where(wrong, np.float32(0), self._success[after]),
            sentence=sentence,
            asked=self._sentences.owner[sentence],
            matched=~wrong,
        )

    def _alike(self, starts: Positions, one: Positions, share: NDArray[np.float64]) -> Positions:
        """A frame before that looks like this one, the next of them for small shares in [0, 1)."""
        back = one - self._still[starts + one]
        return one - np.minimum(1 + np.floor(share * back).astype(np.int64), back)


class CompareNetwork(nn.Module):
    """Reads pictures (B, P, D), of which the last two are compared, and a sentence (B, E).

    Args:
        features: D.
        text: E.
        pictures: P, at least 2.
        width: of the layers between.
        bins: that a change in [-1, 1] is spread over; odd, so that one of them is no change.
    """

    def __init__(self, features: int, text: int, pictures: int, width: int, bins: int) -> None:
        super().__init__()
        self.bins = bins
        self.frame = nn.Sequential(nn.LayerNorm(features), nn.Linear(features, width), nn.GELU())
        self.change = _layers((pictures + 1) * width + text, width, bins)
        self.done = _layers(width + text, width, 1)

    def forward(self, pictures: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the change from the last picture but one to the last, (B, bins), and that it is done, (B,)."""
        read = self.frame(pictures)
        moved = read[:, -1] - read[:, -2]
        change = self.change(torch.cat([read.flatten(1), moved, text], dim=1))
        return change, self.done(torch.cat([read[:, -1], text], dim=1))[:, 0]

    def loss(self, pictures: Tensor, text: Tensor, change: NDArray[np.float32], done: NDArray[np.float32]) -> Tensor:
        """Of changes in [-1, 1] and of what is done, (B,) each, NaN where nobody knows."""
        logits, claims = self(pictures, text)
        wanted, told = torch.as_tensor(change), torch.as_tensor(done)
        known, target = wanted.isfinite(), wanted.nan_to_num()
        total = masked_mean(cross_entropy(logits, two_hot((target + 1) / 2, self.bins)), known)
        total = total + 10 * masked_mean((decoded(logits) - target).square(), known)
        losses = functional.binary_cross_entropy_with_logits(claims, told.nan_to_num(), reduction="none")
        return total + masked_mean(losses, told.isfinite())


def decoded(logits: Tensor) -> Tensor:
    """The change, in [-1, 1], of logits over bins."""
    return 2 * expectation(logits) - 1


def _layers(inputs: int, width: int, outputs: int) -> nn.Module:
    return nn.Sequential(
        nn.Linear(inputs, 2 * width), nn.GELU(), nn.Linear(2 * width, width), nn.GELU(), nn.Linear(width, outputs)
    )
