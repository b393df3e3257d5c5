"""Acting by chunks of actions that were predicted at this and at earlier steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from roborew.agents.env_checks import ActionScale
from roborew.agents.pixels.layout import Observations, select


class ChunkPolicy:
    """Temporal ensembling: of the chunks predicted at this and at earlier steps, the weighted mean
    of what each says of this step (arXiv:2304.13705, section IV-B).

    Args:
        predict: observations of N environments to chunks (N, K, A) in [-1, 1].
        scale: from [-1, 1] to the action space.
        num_envs: running episodes.
        decay: a prediction made k steps ago weighs exp(k * decay), so the oldest weighs most.
    """

    def __init__(
        self,
        predict: Callable[[Any], NDArray[np.float32]],
        scale: ActionScale,
        num_envs: int,
        decay: float,
    ) -> None:
        self._predict = predict
        self._scale = scale
        self._decay = decay
        self._num_envs = num_envs
        self._history: list[NDArray[np.float32]] = []

    def begin(self, begun: NDArray[np.bool_]) -> None:
        """Forget what was predicted in the episodes before, where ``begun``, shape (N,)."""
        for chunks in self._history:
            chunks[begun] = np.nan

    def restart(self, begun: NDArray[np.bool_], observations: Observations) -> NDArray[np.float32]:
        """Begin episodes, n where ``begun``, after the others were asked for their actions; the first
        actions of the new ones, shape (n, A), in [-1, 1].

        Args:
            begun: shape (N,).
            observations: of all N environments.
        """
        self.begin(begun)
        first = self._predict(select(observations, begun))
        if not self._history:
            self._history = [np.full((len(begun), *first.shape[1:]), np.nan, np.float32)]
        self._history[0][begun] = first
        return np.clip(first[:, 0], -1, 1)

    def history(self) -> NDArray[np.float32]:
        """Return the chunks that still say something, the newest first, shape (k, N, K, A)."""
        return np.array(self._history, dtype=np.float32)

    def set_history(self, chunks: NDArray[np.float32]) -> None:
        """Take over what `history` returned."""
        self._history = list(chunks.copy())

    def __call__(self, observations: Observations) -> NDArray[np.float32]:
        """Return actions, shape (N, A), for observations of N environments."""
        return self._scale.to_environment(torch.as_tensor(self.predict(observations)))

    def predict(self, observations: Observations) -> NDArray[np.float32]:
        """Return actions in [-1, 1], shape (N, A), for observations of N environments."""
        newest = self._predict(observations)
        self._history = [newest.copy(), *self._history][: newest.shape[1]]
        # The chunk of k steps ago says of this step what stands at its place k.
        opinions = [chunks[:, age] for age, chunks in enumerate(self._history)]
        for_now = np.stack(opinions)
        ages = np.arange(len(for_now), dtype=np.float32)
        weight_of_age = np.exp(self._decay * ages)[:, None, None]
        valid = np.isfinite(for_now)
        weights = weight_of_age * valid
        weighted = np.where(valid, for_now, 0) * weights
        mean = weighted.sum(axis=0) / weights.sum(axis=0)
        return np.clip(mean, -1, 1)
