"""Signed progress between two frames, summed up over the episode, and whether the task is done:
VLAC's critic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from roborew.critics.dataset.frame_pairs import FramePairBatch, FramePairSampler
from roborew.critics.networks.pair_network import PairNetwork, expected_change
from roborew.critics.objective import Query
from roborew.critics.torch_objective import TorchObjective
from roborew.errors import InvalidInputError
from roborew.learning.examples import Example, Features, Report
from roborew.learning.packed_episodes import PackedEpisodes
from roborew.rewards.relative_progress import MIN_REMAINING_WORK, Integrator, apply_change
from roborew.types import RecurrentState, RewardSpec, Scores


class VlacPairs(TorchObjective[PairNetwork]):
    """Progress starts at 0; each frame is compared with the last few, and its progress is the mean
    of what they say. A plain sum drifts, and loses count near the end, where every loss is a share
    of next to nothing; so the frame is also compared with the episode's first, at 0, and what that
    says weighs as much as the others together.

    Args:
        seed: of weights and order.
        steps: gradient steps.
        batch_size: pairs a step.
        hidden_dim: of the network.
        num_bins: that a change is spread over, an odd number.
        num_references: frames that a new one is compared with.
        anchored: also compare with the first frame; with ``lags=1`` and no anchor it is VLAC's
            plain sum.
        integrator: what a loss means, see `roborew.rewards.relative_progress`.
    """

    spec: ClassVar[RewardSpec] = RewardSpec(
        name="pair",
        low=0.0,
        high=1.0,
        context=None,
        causal=True,
        needs_goal_image=False,
        predicts_success=True,
        paper="VLAC, arXiv:2509.15937",
    )

    RENAMED: ClassVar[Mapping[str, str]] = {
        "batch": "batch_size",
        "width": "hidden_dim",
        "bins": "num_bins",
        "lags": "num_references",
    }

    def __init__(
        self,
        *,
        seed: int = 0,
        steps: int = 400,
        batch_size: int = 256,
        hidden_dim: int = 64,
        num_bins: int = 21,
        num_references: int = 4,
        anchored: bool = True,
        integrator: Integrator = "inverse",
    ) -> None:
        super().__init__("pair", seed, steps)
        if (
            batch_size < 1
            or hidden_dim < 8
            or num_bins < 3
            or num_bins % 2 == 0
            or num_references < 1
        ):
            raise InvalidInputError(
                f"pair: expected batch >= 1, width >= 8, an odd number of bins >= 3 and lags >= 1; "
                f"got {batch_size}, {hidden_dim}, {num_bins} and {num_references}."
            )
        self._batch, self._width, self._bins, self._lags = (
            batch_size,
            hidden_dim,
            num_bins,
            num_references,
        )
        self._anchored = anchored
        self._integrator: Integrator = integrator

    def build(self, feature_dim: int, text_dim: int) -> PairNetwork:
        """The network for frames (D,) and sentences (E,), untrained."""
        return PairNetwork(feature_dim, text_dim, 2, self._width, self._bins)

    def fit(
        self, examples: Sequence[Example], validation: Sequence[Example], report: Report
    ) -> None:
        """Learn the change between two frames, and whether the second one shows the task done."""
        stack, drawer = PackedEpisodes(examples), FramePairSampler(examples)

        def loss(rng: np.random.Generator) -> torch.Tensor:
            drawn = drawer.sample(rng, self._batch)
            pictures = stack.frames[np.stack([drawn.before, drawn.after], axis=1)]
            return self.network.loss(
                pictures, stack.text[drawn.instruction], labels(drawn), drawn.success
            )

        self.minimize(examples, loss, report)

    def score_step(self, queries: Sequence[Query]) -> tuple[list[Scores], list[RecurrentState]]:
        """Compare each new frame with those before it; the first and the last few are
        remembered."""
        empty = np.zeros(0, np.float32)
        starts = [query.state.get("start", query.features[:1]) for query in queries]
        known = [
            np.concatenate([query.state.get("frames", query.features[:0]), query.features])
            for query in queries
        ]
        told = self._compare(queries, starts, known)
        scores: list[Scores] = []
        memories: list[RecurrentState] = []
        for query, start, frames, (changes, claims) in zip(
            queries, starts, known, told, strict=True
        ):
            values = self._summed(query.state.get("values", empty).tolist(), changes)
            scores.append(Scores(values[-len(claims) :], np.ones(len(claims), np.bool_), claims))
            memories.append(
                {"start": start, "frames": frames[-self._lags :], "values": values[-self._lags :]}
            )
        return scores, memories

    def _summed(self, values: list[float], changes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Progress of the frames before and of the new ones, whose changes are (T, 1 + lags)."""
        for row in changes.tolist():
            said = [
                apply_change(p, c, self._integrator)
                for p, c in zip(values[::-1], row[1:], strict=False)
            ]
            value = float(np.mean(said)) if said else 0.0
            anchor = apply_change(0.0, row[0], self._integrator)
            values = [*values, (value + anchor) / 2 if said and self._anchored else value]
        return np.array(values, np.float32)

    def _compare(
        self, queries: Sequence[Query], starts: Sequence[Features], known: Sequence[Features]
    ) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        """Changes to each new frame from the first, the one before, the one before that..., (T, 1 +
        lags), and claims, (T,)."""
        pictures, texts, counts = list[Features](), list[Features](), list[int]()
        for query, start, frames in zip(queries, starts, known, strict=True):
            at = np.arange(len(frames) - len(query.features), len(frames))[:, None]
            before = frames[np.maximum(at - 1 - np.arange(self._lags), 0)]
            before = np.concatenate(
                [np.broadcast_to(start, (len(at), *start.shape)), before], axis=1
            )
            pairs = np.stack([before, np.broadcast_to(frames[at], before.shape)], axis=2)
            pictures.append(pairs.reshape(-1, *pairs.shape[2:]))
            texts.append(np.repeat(query.text_embedding[None], len(pictures[-1]), axis=0))
            counts.append(len(at))
        with torch.inference_mode():
            asked = (
                torch.as_tensor(np.concatenate(pictures)),
                torch.as_tensor(np.concatenate(texts)),
            )
            logits, done = self.network(*asked)
            changes = expected_change(logits).reshape(-1, 1 + self._lags).numpy()
            claims = done.reshape(-1, 1 + self._lags)[:, 0].sigmoid().numpy()
        bounds = np.cumsum(counts)[:-1]
        return list(zip(np.split(changes, bounds), np.split(claims, bounds), strict=True))


def labels(drawn: FramePairBatch) -> NDArray[np.float32]:
    """What `roborew.rewards.relative_progress.relative_change` says of the pairs by the integrator
    "inverse", in [-1, 1]: the share of the work that remained, with the sign turned round where the
    pair is. It is 0 where nothing moved or the sentence is another task's, and NaN where nobody
    knows.
    """
    left_before, left_after = 1 - drawn.progress_before, 1 - drawn.progress_after
    gain = (drawn.progress_after - drawn.progress_before) / np.where(
        left_before > 0, left_before, 1
    )
    loss = np.maximum(left_before, MIN_REMAINING_WORK) / np.where(left_after > 0, left_after, 1) - 1
    change = np.where(
        drawn.progress_after >= drawn.progress_before,
        gain,
        np.where(
            np.isnan(drawn.progress_before + drawn.progress_after), np.nan, np.minimum(loss, 0)
        ),
    )
    return np.where(drawn.matches, change, 0).astype(np.float32)
