"""How much later one frame is than another, learned from videos of experts alone: TimeRewarder
(arXiv:2509.26627)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from roborew.critics.dataset.time_pairs import TimePairSampler
from roborew.critics.networks.heads import cross_entropy, expectation, two_hot
from roborew.critics.objective import Query, split_scores
from roborew.critics.torch_objective import TorchObjective
from roborew.errors import InvalidInputError
from roborew.learning.examples import Example, Features, Report
from roborew.types import RecurrentState, RewardSpec, Scores

Curve = Literal["incremental", "forward"]
CURVES: tuple[Curve, ...] = ("incremental", "forward")
START, LAST, TOTAL = "start", "last", "total"
"""Keys of what is remembered of an episode."""


class TimeRewarder(TorchObjective["DistanceNetwork"]):
    """``L = CE(two_hot(d), F(u, v))`` of signed temporal distances ``d = (j - i) / (T - 1)`` from
    frame u, the i-th, to frame v, the j-th, drawn with ``P(|j - i|) ~ 1 / |j - i|`` in either order
    (TimeRewarder).

    A step pays ``d(o_t-1, o_t)``, so the score is the running sum of these distances, kept within
    [-1, 1]: its gain is the step's reward, and whoever goes in circles earns no more than the range.
    ``curve="forward"`` scores ``d(o_0, o_t)`` instead, whose gains telescope. Both read
    ``d(u, v) = (E F(u, v) - E F(v, u)) / 2``, as the authors' code does but for the half: a pair
    turned round has the opposite distance, and a frame none from itself. Calibration bends either
    curve; fit without it for the paper's reward.

    An expert's time ends at its first success. Beyond the paper, where there are failures, pairs
    within one of them are 0 apart (or as its own progress labels say), and a failure's frame is as
    far behind an expert's as the start is; under another task's sentence all pairs are 0 apart.

    Args:
        seed: random seed of the weights and the sampling order.
        steps: gradient steps.
        batch_size: pairs a step.
        hidden_dim: width of the network.
        num_bins: that a distance in [-1, 1] is spread over.
        curve: "incremental" (the paper's) or "forward".
        failure_ratio: share of the pairs that show failures, half of them beside an expert's frame;
            0 is the paper's.
    """

    spec: ClassVar[RewardSpec] = RewardSpec(
        name="time_rewarder",
        low=-1.0,
        high=1.0,
        context=None,
        causal=True,
        needs_goal_image=False,
        predicts_success=False,
        paper="TimeRewarder, arXiv:2509.26627",
    )
    RENAMED: ClassVar[Mapping[str, str]] = {}

    def __init__(
        self,
        *,
        seed: int = 0,
        steps: int = 400,
        batch_size: int = 256,
        hidden_dim: int = 64,
        num_bins: int = 20,
        curve: Curve = "incremental",
        failure_ratio: float = 0.25,
    ) -> None:
        super().__init__("time_rewarder", seed, steps)
        if batch_size < 1 or hidden_dim < 1 or num_bins < 2:
            raise InvalidInputError(
                "time_rewarder: expected batch_size and hidden_dim >= 1, num_bins >= 2; "
                f"got {batch_size}, {hidden_dim} and {num_bins}."
            )
        if curve not in CURVES or not 0 <= failure_ratio < 1:
            raise InvalidInputError(
                f"time_rewarder: expected a curve of {CURVES} and failure_ratio in [0, 1); "
                f"got {curve!r} and {failure_ratio}."
            )

        self._batch_size = batch_size
        self._hidden_dim = hidden_dim
        self._num_bins = num_bins
        self._is_incremental = curve == "incremental"
        self._failure_ratio = failure_ratio

    def build(self, feature_dim: int, text_dim: int) -> DistanceNetwork:
        """The network for frames (D,) and sentences (E,), untrained."""
        return DistanceNetwork(feature_dim, text_dim, self._hidden_dim, self._num_bins)

    def fit(
        self, examples: Sequence[Example], validation: Sequence[Example], report: Report
    ) -> None:
        """Learn the temporal distance between two frames.

        Raises:
            InvalidInputError: every example is a failure.
        """
        sampler = TimePairSampler(examples, self._failure_ratio)
        self.minimize(examples, lambda rng: self._loss(sampler, rng), report)

    def score_step(self, queries: Sequence[Query]) -> tuple[list[Scores], list[RecurrentState]]:
        """Add up the distances between successive frames, or read those from the first one, which
        is remembered beside the last one and the sum."""
        lengths = [len(query.features) for query in queries]
        pairs = [self._pairs(query) for query in queries]
        text = np.repeat(np.stack([query.text_embedding for query in queries]), lengths, axis=0)
        before, after = (torch.as_tensor(np.concatenate(side)) for side in zip(*pairs, strict=True))
        with torch.inference_mode():
            distances = self.network.distance(before, after, torch.as_tensor(text)).numpy()

        scores = split_scores(distances, lengths)
        if not self._is_incremental:
            return scores, [{START: _start(query)} for query in queries]
        sums: list[Scores] = []
        states: list[RecurrentState] = []
        for query, steps in zip(queries, scores, strict=True):
            total = running_sum(steps.value, query.state.get(TOTAL, np.zeros(1)))
            sums.append(Scores(total.astype(np.float32), steps.valid, None))
            states.append({LAST: query.features[-1:], TOTAL: total[-1:]})
        return sums, states

    def _pairs(self, query: Query) -> tuple[Features, Features]:
        """The frames that each new one is compared with, and the new ones, (T, D) each."""
        new = query.features
        if not self._is_incremental:
            return np.broadcast_to(_start(query), new.shape), new
        last = query.state.get(LAST, new[:1])
        return np.concatenate([last, new[:-1]]), new

    def _loss(self, sampler: TimePairSampler, rng: np.random.Generator) -> Tensor:
        batch = sampler.sample(rng, self._batch_size)
        frames = sampler.episodes.frames
        text = sampler.episodes.text[batch.instruction]
        logits = self.network(frames[batch.before], frames[batch.after], text)
        # From [-1, 1] to the [0, 1] over which the bins are spread.
        places = (torch.as_tensor(batch.distance) + 1) / 2
        return cross_entropy(logits, two_hot(places, self._num_bins)).mean()


class DistanceNetwork(nn.Module):
    """Reads two frames (B, D) each and a sentence (B, E); logits over bins of [-1, 1]."""

    def __init__(self, feature_dim: int, text_dim: int, hidden_dim: int, num_bins: int) -> None:
        super().__init__()
        project = nn.Linear(feature_dim, hidden_dim)
        self.frame = nn.Sequential(nn.LayerNorm(feature_dim), project, nn.GELU())
        pair_dim = 2 * hidden_dim + text_dim
        self.head = nn.Sequential(
            nn.Linear(pair_dim, 2 * hidden_dim), nn.GELU(), nn.Linear(2 * hidden_dim, num_bins)
        )

    def forward(self, before: Tensor, after: Tensor, text: Tensor) -> Tensor:
        """Logits of the distance from the first frames to the second ones, (B, num_bins)."""
        pair = torch.cat([self.frame(before), self.frame(after), text], dim=1)
        return self.head(pair)

    def distance(self, before: Tensor, after: Tensor, text: Tensor) -> Tensor:
        """Signed distances in [-1, 1], shape (B,); turned round, the negative of them."""
        forward = expectation(self(before, after, text))
        backward = expectation(self(after, before, text))
        # Each expectation lies in [0, 1] and stands for 2 E - 1: the ones and the halves cancel.
        return forward - backward


def running_sum(steps: NDArray[np.float32], earlier: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sum after each of T steps, from the earlier one (1,) on, kept within [-1, 1] at
    every step, shape (T,).

    >>> running_sum(np.array([0.75, 0.5, -0.25], np.float32), np.zeros(1)).tolist()
    [0.75, 1.0, 0.75]
    """
    # float64: in float32 an episode in parts would drift from the whole.
    total = float(earlier[0])
    sums: list[float] = []
    for step in steps.tolist():
        total = min(max(total + step, -1.0), 1.0)
        sums.append(total)
    return np.array(sums, np.float64)


def _start(query: Query) -> Features:
    """The first frame of the query's episode, (1, D)."""
    return query.state.get(START, query.features[:1])
