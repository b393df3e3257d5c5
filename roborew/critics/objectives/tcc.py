"""An embedding in which demonstrations align: there and back again through another one leads to the
same moment.

Temporal cycle consistency (TCC, arXiv:1904.07846), scored as in XIRL (arXiv:2106.03911).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from roborew.critics.goal_distance import MAX_DISTANCE, GoalDistance
from roborew.errors import InvalidInputError
from roborew.learning.examples import Example, Report
from roborew.learning.packed_episodes import PackedEpisodes
from roborew.learning.sampling import Indices
from roborew.types import RewardSpec

CycleLoss = Literal["regression", "variance", "classification"]
LOG_VARIANCE_WEIGHT = 0.001
"""TCC's lambda: weight of the logarithm of the variance."""
MIN_VARIANCE = 1e-4
"""Smallest variance of the time that a frame comes back to, in squared shares of an episode."""


class Tcc(GoalDistance):
    """Learn from pairs of successes of one sentence; where a sentence has one success, two draws of
    its frames are the pair.

    ``L = E[(mean time of the way back - t_i)^2]``, see `cycle_consistency_loss` (TCC, section 3.2).

    Args:
        seed: random seed of the weights and the sampling order.
        steps: gradient steps.
        batch_size: pairs of episodes a step.
        num_frames: frames that are drawn of each episode.
        embedding_dim: entries of the embedding.
        temperature: of the soft nearest neighbour.
        loss: of the way back: "regression" of the time, "variance" for the same weighed by how sure
            the way is, or "classification" of the frame.
    """

    spec: ClassVar[RewardSpec] = RewardSpec(
        name="tcc",
        low=-MAX_DISTANCE,
        high=0.0,
        context=1,
        causal=True,
        needs_goal_image=False,
        predicts_success=False,
        paper="TCC, arXiv:1904.07846; XIRL, arXiv:2106.03911",
    )
    RENAMED: ClassVar[Mapping[str, str]] = {
        "batch": "batch_size",
        "frames": "num_frames",
        "width": "embedding_dim",
    }

    def __init__(
        self,
        *,
        seed: int = 0,
        steps: int = 300,
        batch_size: int = 8,
        num_frames: int = 15,
        embedding_dim: int = 32,
        temperature: float = 0.1,
        loss: CycleLoss = "regression",
    ) -> None:
        super().__init__("tcc", seed, steps, embedding_dim)
        if batch_size < 1 or num_frames < 2 or not 0 < temperature < np.inf:
            raise InvalidInputError(
                "tcc: expected batch_size >= 1, num_frames >= 2 and a temperature above 0; "
                f"got {batch_size}, {num_frames} and {temperature}."
            )
        losses = get_args(CycleLoss)
        if loss not in losses:
            raise InvalidInputError(f"tcc: expected loss {', '.join(losses)}; got {loss!r}.")

        self._batch_size = batch_size
        self._num_frames = num_frames
        self._temperature = temperature
        self._cycle_loss: CycleLoss = loss

    def fit(
        self, examples: Sequence[Example], validation: Sequence[Example], report: Report
    ) -> None:
        """Learn from pairs of successes."""
        successes = self.successes(examples)
        partners = _partners([example.instruction for example in successes])
        episodes = PackedEpisodes(successes)
        self.minimize(successes, lambda rng: self._loss(episodes, partners, rng), report)
        self.fit_goals(successes)

    def _loss(
        self, episodes: PackedEpisodes, partners: Sequence[Sequence[int]], rng: np.random.Generator
    ) -> Tensor:
        first = rng.integers(len(partners), size=self._batch_size)
        choices = [partners[int(episode)] for episode in first]
        second = np.array([rng.choice(indices) for indices in choices])
        first_rows, times = self._sample_frames(episodes, first, rng)
        second_rows, _ = self._sample_frames(episodes, second, rng)

        return cycle_consistency_loss(
            self.network(episodes.frames[first_rows]),
            self.network(episodes.frames[second_rows]),
            torch.as_tensor(times),
            self._temperature,
            self._cycle_loss,
        )

    def _sample_frames(
        self, episodes: PackedEpisodes, chosen: Indices, rng: np.random.Generator
    ) -> tuple[Indices, NDArray[np.float32]]:
        """Rows of frames in time order, shape (B, K), and when in the episode they are, in [0, 1]."""
        times = np.sort(rng.random((len(chosen), self._num_frames)), axis=1)
        # The ends are always drawn: they are what the score is measured by.
        times[:, 0] = 0
        times[:, -1] = 1

        last = episodes.lengths[chosen, None] - 1
        # Rounded to frames, so their times are rounded as well.
        frames = np.rint(times * last).astype(np.int64)
        rows = episodes.starts[chosen, None] + frames
        rounded_times = frames / last
        return rows, rounded_times.astype(np.float32)


def cycle_consistency_loss(
    first: Tensor, second: Tensor, times: Tensor, temperature: float, loss: CycleLoss = "regression"
) -> Tensor:
    """How far from itself a frame comes back by its soft nearest neighbor in another episode (TCC,
    section 3.2).

    ``b_k``, the way back, is a distribution over the first frames. Classification: ``-log b_i`` of
    frame i. Regression: ``(m - t_i)^2`` with the mean time ``m = sum b_k t_k``. With the variance
    ``s = sum b_k (t_k - m)^2``: ``(m - t_i)^2 / s + lambda log sqrt(s)``, which a way that is
    unsure cannot escape.

    Args:
        first: embedded frames, shape (B, K, W).
        second: those of the other episodes, shape (B, L, W).
        times: of the first frames, in [0, 1], shape (B, K).
        temperature: of both soft choices, a share of W.
        loss: which of them.
    """
    scale = temperature * first.shape[-1]
    there_logits = -_squared_distances(first, second) / scale
    neighbor = there_logits.softmax(-1) @ second
    back_logits = -_squared_distances(neighbor, first) / scale

    if loss == "classification":
        batch_size, num_frames = times.shape
        frame_ids = torch.arange(num_frames).repeat(batch_size)
        return functional.cross_entropy(back_logits.flatten(0, 1), frame_ids)

    back = back_logits.softmax(-1)
    mean_time = (back * times[:, None]).sum(-1)
    squared_error = (mean_time - times).square()
    if loss == "regression":
        return squared_error.mean()

    deviation = times[:, None] - mean_time[..., None]
    variance = (back * deviation.square()).sum(-1) + MIN_VARIANCE
    # Half the logarithm of the variance is that of the standard deviation.
    penalty = LOG_VARIANCE_WEIGHT * variance.log() / 2
    return (squared_error / variance + penalty).mean()


def _partners(sentences: Sequence[str]) -> list[list[int]]:
    """Of each episode, the others of its sentence; itself where it is the only one."""
    partners: list[list[int]] = []

    for row, sentence in enumerate(sentences):
        rows = [index for index, name in enumerate(sentences) if name == sentence]
        peers = [index for index in rows if index != row]
        # Two draws of one episode's frames differ enough to be aligned.
        partners.append(peers or [row])
    return partners


def _squared_distances(first: Tensor, second: Tensor) -> Tensor:
    """Of all pairs of rows, (B, K, W) and (B, L, W) to (B, K, L)."""
    difference = first[:, :, None] - second[:, None]
    return difference.square().sum(-1)
