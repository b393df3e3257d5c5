"""Signed progress between two frames, summed up over the episode, and whether the task is done:
VLAC's critic (arXiv:2509.15937)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from roborew.critics.dataset.frame_pairs import FramePairBatch, FramePairSampler
from roborew.critics.networks.pair_network import PairNetwork, expected_change
from roborew.critics.objective import Query
from roborew.critics.torch_objective import TorchObjective
from roborew.errors import InvalidInputError
from roborew.learning.episode_layout import split_by_length
from roborew.learning.examples import Example, Features, Report
from roborew.learning.packed_episodes import PackedEpisodes
from roborew.rewards.relative_progress import MIN_REMAINING_WORK, Integrator, apply_change
from roborew.types import RecurrentState, RewardSpec, Scores


class VlacPairs(TorchObjective[PairNetwork]):
    """``L = CE(two-hot c) + 10 (E[c] - c)^2 + BCE(success)`` of changes ``c = (q - p) / (1 - p)``
    from progress p to q, negative where the order is reversed (VLAC, section 3.1).

    Progress starts at 0; each frame is compared with the last few, and its progress is the mean of
    what they say. A plain sum drifts, and loses count near the end, where every loss is a share of
    next to nothing; so the frame is also compared with the episode's first, at 0, and what that
    says weighs as much as the others together.

    Args:
        seed: random seed of the weights and the sampling order.
        steps: gradient steps.
        batch_size: pairs a step.
        hidden_dim: width of the network.
        num_bins: that a change is spread over, an odd number.
        num_references: frames that a new one is compared with.
        anchored: also compare with the first frame; with ``num_references=1`` and no anchor it is
            VLAC's plain sum.
        integrator: what a loss means, see `roborew.rewards.relative_progress`.
    """

    spec: ClassVar[RewardSpec] = RewardSpec(
        name="vlac_pairs",
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
        super().__init__("vlac_pairs", seed, steps)
        if num_bins < 3 or num_bins % 2 == 0:
            raise InvalidInputError(f"vlac_pairs: expected an odd num_bins >= 3; got {num_bins}.")
        if batch_size < 1 or hidden_dim < 8 or num_references < 1:
            raise InvalidInputError(
                "vlac_pairs: expected batch_size and num_references >= 1, hidden_dim >= 8; "
                f"got {batch_size}, {num_references} and {hidden_dim}."
            )

        self._batch_size = batch_size
        self._hidden_dim = hidden_dim
        self._num_bins = num_bins
        self._num_references = num_references
        self._anchored = anchored
        self._integrator: Integrator = integrator

    def build(self, feature_dim: int, text_dim: int) -> PairNetwork:
        """The network for frames (D,) and sentences (E,), untrained."""
        return PairNetwork(feature_dim, text_dim, 2, self._hidden_dim, self._num_bins)

    def fit(
        self, examples: Sequence[Example], validation: Sequence[Example], report: Report
    ) -> None:
        """Learn the change between two frames, and whether the second one shows the task done."""
        episodes = PackedEpisodes(examples)
        sampler = FramePairSampler(examples)
        self.minimize(examples, lambda rng: self._loss(episodes, sampler, rng), report)

    def score_step(self, queries: Sequence[Query]) -> tuple[list[Scores], list[RecurrentState]]:
        """Compare each new frame with those before it; the first and the last few are
        remembered."""
        scores: list[Scores] = []
        states: list[RecurrentState] = []
        no_values = np.zeros(0, np.float32)
        predictions = self._predict_changes(queries)
        for query, (changes, success) in zip(queries, predictions, strict=True):
            earlier = query.state.get("values", no_values)
            values = self._integrate(earlier.tolist(), changes)

            count = len(query.features)
            valid = np.ones(count, np.bool_)
            scores.append(Scores(values[-count:], valid, success))
            state = {
                "start": _start(query),
                "frames": _known_frames(query)[-self._num_references :],
                "values": values[-self._num_references :],
            }
            states.append(state)
        return scores, states

    def _loss(
        self, episodes: PackedEpisodes, sampler: FramePairSampler, rng: np.random.Generator
    ) -> Tensor:
        batch = sampler.sample(rng, self._batch_size)
        rows = np.stack([batch.before, batch.after], axis=1)
        return self.network.loss(
            episodes.frames[rows],
            episodes.text[batch.instruction],
            change_labels(batch),
            batch.success,
        )

    def _integrate(self, values: list[float], changes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Progress of the frames before and of the new ones, whose changes are (T, 1 + references):
        from the first frame, from the one before, from the one before that..."""
        for from_start, *from_references in changes.tolist():
            if not values:
                # An episode begins at 0, whatever its first frame looks like.
                values = [0.0]
                continue

            # Early in an episode there are fewer frames before than references.
            steps = zip(values[::-1], from_references, strict=False)
            estimates = [apply_change(p, c, self._integrator) for p, c in steps]
            value = float(np.mean(estimates))
            if self._anchored:
                anchor = apply_change(0.0, from_start, self._integrator)
                value = (value + anchor) / 2
            values = [*values, value]

        return np.array(values, np.float32)

    def _predict_changes(
        self, queries: Sequence[Query]
    ) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        """Changes to each new frame from the first, the one before, the one before that..., (T, 1 +
        references), and success, (T,)."""
        pairs_per_frame = 1 + self._num_references
        pictures, texts = list[Features](), list[Features]()
        for query in queries:
            pairs = self._pairs(query)
            pictures.append(pairs)
            texts.append(np.repeat(query.text_embedding[None], len(pairs), axis=0))

        with torch.inference_mode():
            logits, success_logits = self.network(
                torch.as_tensor(np.concatenate(pictures)),
                torch.as_tensor(np.concatenate(texts)),
            )
            changes = expected_change(logits).reshape(-1, pairs_per_frame).numpy()
            # All pairs of a frame show it second; the first of them is asked whether it is done.
            success = success_logits.reshape(-1, pairs_per_frame)[:, 0].sigmoid().numpy()

        lengths = [len(query.features) for query in queries]
        changes_by_query = split_by_length(changes, lengths)
        success_by_query = split_by_length(success, lengths)
        return list(zip(changes_by_query, success_by_query, strict=True))

    def _pairs(self, query: Query) -> Features:
        """[before, new] of each new frame with the first and the last few, (T (1 + references), 2,
        D); where there are fewer before it, the first known one is repeated."""
        frames = _known_frames(query)
        feature_dim = frames.shape[1]
        num_new = len(query.features)
        new = np.arange(len(frames) - num_new, len(frames))[:, None]

        # Where there are fewer frames before, the pair is not read: see `_integrate`.
        steps_back = 1 + np.arange(self._num_references)
        references = frames[np.maximum(new - steps_back, 0)]
        start = np.broadcast_to(_start(query), (num_new, 1, feature_dim))
        before = np.concatenate([start, references], axis=1)
        after = np.broadcast_to(frames[new], before.shape)

        pairs = np.stack([before, after], axis=2)
        return pairs.reshape(-1, 2, feature_dim)


def change_labels(batch: FramePairBatch) -> NDArray[np.float32]:
    """What `roborew.rewards.relative_progress.relative_change` says of the pairs by the integrator
    "inverse", in [-1, 1]: the share of the work that remained, with the sign turned round where the
    pair is. It is 0 where nothing moved or the sentence is another task's, and NaN where nobody
    knows.
    """
    before = batch.progress_before
    after = batch.progress_after
    left_before = 1 - before
    left_after = 1 - after

    # A divisor of 0 is replaced: there is no gain from 1, nor a loss to it.
    gain = (after - before) / np.where(left_before > 0, left_before, 1)
    left_at_least = np.maximum(left_before, MIN_REMAINING_WORK)
    ratio = left_at_least / np.where(left_after > 0, left_after, 1)
    loss = np.minimum(ratio - 1, 0)

    unknown = np.isnan(before + after)
    loss = np.where(unknown, np.nan, loss)
    change = np.where(after >= before, gain, loss)
    return np.where(batch.matches, change, 0).astype(np.float32)


def _start(query: Query) -> Features:
    """The first frame of the query's episode, (1, D)."""
    return query.state.get("start", query.features[:1])


def _known_frames(query: Query) -> Features:
    """The frames that are remembered, then the new ones."""
    remembered = query.state.get("frames", query.features[:0])
    return np.concatenate([remembered, query.features])
