"""Whether the rounding of bfloat16 drowns what the scores of an episode tell."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import numpy as np

from roborew.rewards.embedding import Noise
from roborew.types import FloatArray

logger = logging.getLogger(__name__)

ENOUGH = 16
"""Scores whose spread is judged together: an episode of so many frames alone, shorter clips as they come."""


class NoiseWatch:
    """Warns, once, when scores spread less than bfloat16 noise moves them.

    Args:
        name: of the reward, for the warning.
    """

    def __init__(self, name: str) -> None:
        self._name, self._warned = name, False
        self._waiting: list[FloatArray] = []

    def look(
        self, values: Sequence[FloatArray], noise: Noise | None, score: Callable[[FloatArray], FloatArray]
    ) -> None:
        """Look at the scores of some clips.

        Args:
            values: of each clip, shape (T,).
            noise: of the embedder.
            score: from embeddings (n, D) to scores (n,), for one of these goals.
        """
        if noise is None or self._warned:
            return
        for value in values:
            self._waiting.append(value)
            together = np.concatenate(self._waiting)
            if len(together) < ENOUGH:
                continue
            self._waiting = []
            self._judge(float(np.ptp(together)), float(np.abs(score(noise.exact) - score(noise.rounded)).max()))

    def _judge(self, spread: float, moved: float) -> None:
        if not self._warned and moved > spread > 0:  # frames that are all the same say nothing of an episode
            self._warned = True
            logger.warning(
                "%s: rounding to bfloat16 moves scores by up to %.2g, more than the %.2g by which those of an episode "
                "differ: the reward is mostly noise. Use dtype=float32.",
                self._name,
                moved,
                spread,
            )
