"""Objectives that score each frame by itself: nothing is remembered, so none of them can be a clock."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from roborew.critics.learned import Learned, NetworkT
from roborew.critics.objective import Query
from roborew.types import Memory, Scores


class Framewise(Learned[NetworkT]):
    """A network that reads single frames under a sentence, all those asked about in one batch."""

    @abstractmethod
    def judge(self, frames: Tensor, text: Tensor, goal: Tensor) -> tuple[Tensor, Tensor | None]:
        """Scores (N,), and probabilities of success (N,) or None, of frames (N, D) under sentences (N, E).

        Args:
            frames: shape (N, D).
            text: shape (N, E).
            goal: pictures of the goal, shape (N, D), NaN where none was given.
        """

    def extend(self, queries: Sequence[Query]) -> tuple[list[Scores], list[Memory]]:
        """Score each frame by itself; nothing is remembered."""
        lengths = [len(query.features) for query in queries]
        frames = torch.as_tensor(np.concatenate([query.features for query in queries]))
        text = np.repeat(np.stack([query.text for query in queries]), lengths, axis=0)
        nothing = np.full(frames.shape[1], np.nan, np.float32)
        goal = np.stack([nothing if query.goal is None else query.goal for query in queries])
        with torch.inference_mode():
            value, success = self.judge(
                frames, torch.as_tensor(text), torch.as_tensor(np.repeat(goal, lengths, axis=0))
            )
        bounds = np.cumsum(lengths)[:-1]
        values = np.split(value.numpy(), bounds)
        claims = [None] * len(values) if success is None else np.split(success.numpy(), bounds)
        pairs = zip(values, claims, strict=True)
        return [Scores(v, np.ones(len(v), np.bool_), claim) for v, claim in pairs], [{} for _ in queries]
