"""Relative hops between two states, from the last frame, from the start and from a picture of the
goal, and their fusion: the General Reward Model of Robo-Dopamine (arXiv:2512.23703), small, that one
demonstration is enough to adapt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from roborew.critics.dataset.hop_pairs import HopSampler
from roborew.critics.networks.pair_network import PairNetwork, expected_change
from roborew.critics.objective import Query
from roborew.critics.torch_objective import TorchObjective
from roborew.errors import CorruptFileError, InvalidInputError
from roborew.learning.episode_layout import split_by_length
from roborew.learning.examples import Example, Features, Report
from roborew.learning.optim import GradientDescent
from roborew.rewards.relative_progress import (
    apply_hop,
    fuse_consistent,
    progress_from_goal,
    relative_hop,
)
from roborew.types import RecurrentState, RewardSpec, Scores

Curve = Literal["fused", "consistent", "incremental", "forward", "backward"]
Labels = NDArray[np.float32]
MIN_GOAL_DISTANCE = 0.1
"""Where the hop from the goal back to the start is shorter, the task is a cycle: only the hops
between frames tell progress."""
ADAPT_LEARNING_RATE = 5e-4
"""A quarter of that of `fit`, so that what was learned before is kept."""
GOALS, TEXTS = "goals", "texts"
START, LAST, CURVES = "start", "last", "state"
"""Keys of what is remembered of an episode."""


class Grm(TorchObjective[PairNetwork]):
    """``L = CE(two-hot H) + 10 (E[H] - H)^2 + BCE(success)`` of hops ``H = (q - p) / (1 - p)``
    upwards, ``(q - p) / p`` downwards, from progress p to q (Robo-Dopamine's hop labels).

    The score is the mean of three curves: hops from frame to frame, ``P' = P + (1 - P) H`` or ``P +
    P H``; the hop from the start, ``H``; and the hop from the goal, ``1 + H``, which also says how
    far the start is (its incremental, forward and backward progress). The goal's picture is the
    query's, or the end of a success that was learned from, never the episode's own.

    Args:
        seed: random seed of the weights and the sampling order.
        steps: gradient steps.
        batch_size: pairs a step.
        hidden_dim: width of the network.
        num_bins: that a hop is spread over, an odd number.
        curve: which of the curves is the score; "consistent" trusts the anchors as far as they
            agree.
        alpha: how much their disagreement weighs there.
    """

    spec: ClassVar[RewardSpec] = RewardSpec(
        name="grm",
        low=0.0,
        high=1.0,
        context=None,
        causal=True,
        needs_goal_image=False,
        predicts_success=True,
        paper="Robo-Dopamine, arXiv:2512.23703",
    )
    RENAMED: ClassVar[Mapping[str, str]] = {
        "batch": "batch_size",
        "width": "hidden_dim",
        "bins": "num_bins",
    }

    def __init__(
        self,
        *,
        seed: int = 0,
        steps: int = 400,
        batch_size: int = 256,
        hidden_dim: int = 64,
        num_bins: int = 25,
        curve: Curve = "fused",
        alpha: float = 1.0,
    ) -> None:
        super().__init__("grm", seed, steps)
        if num_bins < 3 or num_bins % 2 == 0:
            raise InvalidInputError(f"grm: expected an odd num_bins >= 3; got {num_bins}.")
        if batch_size < 1 or hidden_dim < 8 or not alpha >= 0:
            raise InvalidInputError(
                "grm: expected batch_size >= 1, hidden_dim >= 8 and alpha >= 0; "
                f"got {batch_size}, {hidden_dim} and {alpha}."
            )

        self._batch_size = batch_size
        self._hidden_dim = hidden_dim
        self._num_bins = num_bins
        self._alpha = alpha
        self._curve: Curve = curve
        self._goals = np.zeros((0, 0), np.float32)
        self._texts = np.zeros((0, 0), np.float32)

    def build(self, feature_dim: int, text_dim: int) -> PairNetwork:
        """The network for [start, goal, before, after] of frames (D,) and sentences (E,),
        untrained."""
        return PairNetwork(feature_dim, text_dim, 4, self._hidden_dim, self._num_bins)

    def fit(
        self, examples: Sequence[Example], validation: Sequence[Example], report: Report
    ) -> None:
        """Learn hops between two frames of an episode."""
        self._goals, self._texts = last_frames_of_successes(examples)
        sampler = HopSampler(examples)
        self.minimize(examples, lambda rng: self._loss(sampler, rng), report)

    def adapt(self, examples: Sequence[Example], steps: int, report: Report) -> None:
        """Go on learning from other examples, one of which is enough; their goals come before those
        known already.

        Raises:
            InvalidInputError: nothing was learned yet.
        """
        network = self.network
        rng = np.random.default_rng(self._seed)
        sampler = HopSampler(examples)

        # First, since of two goals of equally near sentences the first one is taken.
        goals, texts = last_frames_of_successes(examples)
        self._goals = np.concatenate([goals, self._goals])
        self._texts = np.concatenate([texts, self._texts])

        descent = GradientDescent(network.parameters(), steps, rate=ADAPT_LEARNING_RATE)
        network.train()
        for _ in range(steps):
            loss = descent.step(self._loss(sampler, rng))
            report("loss", loss)
        network.eval()

    def score_step(self, queries: Sequence[Query]) -> tuple[list[Scores], list[RecurrentState]]:
        """Read the hops to each new frame; the first and the last frame and where the curves were
        are remembered."""
        scores: list[Scores] = []
        states: list[RecurrentState] = []
        predictions = self._predict_hops(queries)
        for query, (hops, success) in zip(queries, predictions, strict=True):
            curves = query.state.get(CURVES, np.zeros(0)).tolist()
            values: list[float] = []
            for hops_to_frame in hops.tolist():
                value, curves = self._next_value(curves, *hops_to_frame)
                values.append(value)

            valid = np.ones(len(values), np.bool_)
            scores.append(Scores(np.array(values, np.float32), valid, success))
            state = {
                START: _start(query),
                LAST: query.features[-1:],
                # float64: in float32 an episode in parts would drift from the whole.
                CURVES: np.array(curves, np.float64),
            }
            states.append(state)
        return scores, states

    def state_dict(self) -> Mapping[str, NDArray[Any]]:
        """The weights, and a picture of the goal for each sentence."""
        return {**super().state_dict(), GOALS: self._goals, TEXTS: self._texts}

    def load_state_dict(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over saved weights and goals."""
        weights = dict(arrays)
        goals = weights.pop(GOALS, None)
        texts = weights.pop(TEXTS, None)
        super().load_state_dict(weights)

        if goals is None or texts is None or len(goals) != len(texts):
            raise CorruptFileError(
                f"grm: expected {GOALS} (S, D) and {TEXTS} (S, E) of one length S."
            )
        if goals.shape[1:] != self._shape[:1] or texts.shape[1:] != self._shape[1:]:
            raise CorruptFileError(
                f"grm: goals {goals.shape} and sentences {texts.shape} do not fit {self._shape}."
            )

        self._goals = goals
        self._texts = texts

    def _loss(self, sampler: HopSampler, rng: np.random.Generator) -> Tensor:
        batch = sampler.sample(rng, self._batch_size)
        hops = hop_labels(batch.progress_before, batch.progress_after)
        return self.network.loss(batch.pictures, batch.text, hops, batch.success)

    def _goal(self, query: Query) -> NDArray[np.float32] | None:
        """The query's goal, or that of the known sentence that is most like it; None where there is
        none."""
        if query.goal_image is not None or not len(self._goals):
            return query.goal_image
        # The nearest, since a query may be worded otherwise than the demonstrations.
        similarity = self._texts @ query.text_embedding
        nearest = int(np.argmax(similarity))
        return self._goals[nearest]

    def _predict_hops(self, queries: Sequence[Query]) -> list[tuple[Labels, Labels]]:
        """Hops (T, 4) to each new frame from the one before, the start and the goal, and from the
        goal to the start, the last two NaN where there is no goal; and success, (T,)."""
        pictures, texts = list[Features](), list[Features]()
        goals = [self._goal(query) for query in queries]
        for query, goal in zip(queries, goals, strict=True):
            questions = hop_pictures(query, goal)
            pictures.append(questions)
            texts.append(np.repeat(query.text_embedding[None], len(questions), axis=0))

        with torch.inference_mode():
            logits, success_logits = self.network(
                torch.as_tensor(np.concatenate(pictures)),
                torch.as_tensor(np.concatenate(texts)),
            )
            hops = expected_change(logits).reshape(-1, 4).numpy()
            # The first of a frame's four questions shows it last, as success is learned.
            success = success_logits.reshape(-1, 4)[:, 0].sigmoid().numpy()

        lengths = [len(query.features) for query in queries]
        hops_by_query = split_by_length(hops, lengths)
        success_by_query = split_by_length(success, lengths)
        for query_hops, goal in zip(hops_by_query, goals, strict=True):
            if goal is None:
                query_hops[:, 2:] = np.nan
        return list(zip(hops_by_query, success_by_query, strict=True))

    def _next_value(
        self,
        curves: list[float],
        step: float,
        from_start: float,
        from_goal: float,
        start_from_goal: float,
    ) -> tuple[float, list[float]]:
        """The chosen curve at the next frame, and where the incremental and the consistent curve
        are; ``curves`` is empty before the first frame."""
        # False for NaN, where there is no goal.
        anchored = -start_from_goal >= MIN_GOAL_DISTANCE
        start = progress_from_goal(start_from_goal) if anchored else 0.0
        incremental = apply_hop(curves[0], step) if curves else start
        forward = apply_hop(start, from_start)
        # Named after Robo-Dopamine's curve: it reads the episode from its end.
        backward = progress_from_goal(from_goal) if anchored else forward

        consistent = start
        if curves:
            gain = incremental - curves[0]
            consistent = fuse_consistent(curves[1], gain, forward, backward, self._alpha)

        fused = incremental
        is_cycle = not anchored and not np.isnan(from_goal)
        if not is_cycle:
            fused = (incremental + forward + backward) / 3

        by_name = {
            "fused": fused,
            "consistent": consistent,
            "incremental": incremental,
            "forward": forward,
            "backward": backward,
        }
        return by_name[self._curve], [incremental, consistent]


def hop_labels(before: Labels, after: Labels) -> Labels:
    """`relative_hop` of each pair of progress, in [-1, 1], NaN where nobody knows."""
    hops = np.full(len(before), np.nan, np.float32)
    is_known = np.isfinite(before + after)
    for row in np.flatnonzero(is_known):
        # In Python's float64, then rounded once.
        p = float(before[row])
        q = float(after[row])
        hops[row] = relative_hop(p, q)
    return hops


def last_frames_of_successes(examples: Sequence[Example]) -> tuple[Features, Features]:
    """The last frame of the first success of each sentence, (S, D), and the sentences, (S, E)."""
    first: dict[str, Example] = {}
    for example in examples:
        if example.success is not False:
            first.setdefault(example.instruction, example)

    # Tables of no rows, but of the right width, where there is no success.
    goals = examples[0].features[:0]
    texts = examples[0].text_embedding[None][:0]
    for example in first.values():
        goals = np.vstack([goals, example.features[-1]])
        texts = np.vstack([texts, example.text_embedding])
    return goals, texts


def hop_pictures(query: Query, goal: NDArray[np.float32] | None) -> Features:
    """The pictures of four hops for each new frame, (4 T, 4, D): [start, goal, before, after]; the
    goal is all zeros where there is none."""
    new = query.features
    last = query.state.get(LAST, new[:1])
    previous = np.concatenate([last, new[:-1]])
    start = np.broadcast_to(_start(query), new.shape)
    end = np.zeros_like(new)
    if goal is not None:
        end = np.broadcast_to(goal, new.shape)

    pairs = (
        (previous, new),
        (start, new),
        (end, new),
        # How far the start is: the curves begin there, not at 0.
        (end, start),
    )
    hops: list[Features] = []
    for before, after in pairs:
        pictures = np.stack([start, end, before, after], axis=1)
        hops.append(pictures)
    return np.stack(hops, axis=1).reshape(-1, 4, new.shape[1])


def _start(query: Query) -> Features:
    """The first frame of the query's episode, (1, D)."""
    return query.state.get(START, query.features[:1])
