"""Relative hops between two states, from the last frame, from the start and from a picture of the
goal, and their
fusion: Robo-Dopamine's critic, small, that one demonstration is enough to adapt."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from roborew.critics.dataset.frame_pairs import FramePairSampler
from roborew.critics.networks.pair_network import PairNetwork, expected_change
from roborew.critics.objective import Query
from roborew.critics.torch_objective import TorchObjective
from roborew.errors import CorruptFileError, InvalidInputError
from roborew.learning.examples import Example, Features, Report
from roborew.learning.optim import GradientDescent
from roborew.learning.packed_episodes import PackedEpisodes
from roborew.learning.sampling import Indices
from roborew.rewards.relative_progress import (
    apply_hop,
    fuse_consistent,
    progress_from_goal,
    relative_hop,
)
from roborew.types import RecurrentState, RewardSpec, Scores

Curve = Literal["fused", "consistent", "incremental", "forward", "backward"]
TOWARDS_GOAL = 0.25
"""Share of the pairs whose first or second picture is that of the goal."""
CYCLE = 0.1
"""Where the hop from the goal to the start is less, the task is a cycle: only the hops between
frames tell progress."""
GOALS, TEXTS = "goals", "texts"
Labels = NDArray[np.float32]
Loss = Callable[[Tensor, Tensor, Labels, Labels, Labels], Tensor]


class Grm(TorchObjective[PairNetwork]):
    """A hop is a gain as a share of what was left, a loss as a share of what was there. Progress is
    the mean of three
    curves: hops from frame to frame, the hop from the start, and the hop from the goal, which also
    says how far the start is. The goal's picture is the query's, or the end of a success that was
    learned from, never the episode's own.

    Args:
        seed: of weights and order.
        steps: gradient steps.
        batch_size: pairs a step.
        hidden_dim: of the network.
        num_bins: that a hop is spread over, an odd number.
        curve: which of the curves is the score; "consistent" trusts the anchors as far as they
            agree.
        alpha: how much their disagreement weighs there.
    """

    spec: ClassVar[RewardSpec] = RewardSpec(
        name="hop",
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
        super().__init__("hop", seed, steps)
        if batch_size < 1 or hidden_dim < 8 or num_bins < 3 or num_bins % 2 == 0 or not alpha >= 0:
            raise InvalidInputError(
                f"hop: expected batch >= 1, width >= 8, an odd number of bins >= 3 and alpha >= 0; "
                f"got {batch_size}, {hidden_dim}, {num_bins} and {alpha}."
            )
        self._batch, self._width, self._bins, self._alpha = batch_size, hidden_dim, num_bins, alpha
        self._curve: Curve = curve
        self._goals = self._texts = np.zeros((0, 0), np.float32)

    def build(self, feature_dim: int, text_dim: int) -> PairNetwork:
        """The network for [start, goal, before, after] of frames (D,) and sentences (E,),
        untrained."""
        return PairNetwork(feature_dim, text_dim, 4, self._width, self._bins)

    def fit(
        self, examples: Sequence[Example], validation: Sequence[Example], report: Report
    ) -> None:
        """Learn hops between two frames of an episode."""
        self._goals, self._texts = ends(examples)
        self.minimize(examples, _Hops(examples, self._batch, self._loss), report)

    def adapt(self, examples: Sequence[Example], steps: int, report: Report) -> None:
        """Go on learning from other examples, one of which is enough; their goals come before those
        known already.

        Raises:
            InvalidInputError: nothing was learned yet.
        """
        network, rng, drawer = (
            self.network,
            np.random.default_rng(self._seed),
            _Hops(examples, self._batch, self._loss),
        )
        goals, texts = ends(examples)
        self._goals, self._texts = (
            np.concatenate([goals, self._goals]),
            np.concatenate([texts, self._texts]),
        )
        descent = GradientDescent(network.parameters(), steps, rate=5e-4)
        network.train()
        for _ in range(steps):
            report("loss", descent.step(drawer(rng)))
        network.eval()

    def score_step(self, queries: Sequence[Query]) -> tuple[list[Scores], list[RecurrentState]]:
        """Read the hops to each new frame; the first and the last frame and where the curves were
        are remembered."""
        told = self._ask(
            queries, [query.state.get("start", query.features[:1]) for query in queries]
        )
        scores: list[Scores] = []
        memories: list[RecurrentState] = []
        for query, (hops, claims) in zip(queries, told, strict=True):
            values, state = self._curves(
                query.state.get("state", np.zeros(0)).tolist(), hops.tolist()
            )
            scores.append(
                Scores(np.array(values, np.float32), np.ones(len(values), np.bool_), claims)
            )
            start = query.state.get("start", query.features[:1])
            memories.append(
                {"start": start, "last": query.features[-1:], "state": np.array(state, np.float64)}
            )
        return scores, memories

    def state_dict(self) -> Mapping[str, NDArray[Any]]:
        """The weights, and a picture of the goal for each sentence."""
        return {**super().state_dict(), GOALS: self._goals, TEXTS: self._texts}

    def load_state_dict(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over saved weights and goals."""
        super().load_state_dict(
            {name: array for name, array in arrays.items() if name not in (GOALS, TEXTS)}
        )
        goals, texts = arrays.get(GOALS), arrays.get(TEXTS)
        if goals is None or texts is None or len(goals) != len(texts):
            raise CorruptFileError(
                f"hop: expected {GOALS} (S, D) and {TEXTS} (S, E) of one length S."
            )
        if (goals.shape[1:], texts.shape[1:]) != ((self._shape[0],), (self._shape[1],)):
            raise CorruptFileError(
                f"hop: goals {goals.shape} and sentences {texts.shape} do not fit {self._shape}."
            )
        self._goals, self._texts = goals, texts

    def _loss(self, pictures: Tensor, text: Tensor, p: Labels, q: Labels, done: Labels) -> Tensor:
        return self.network.loss(pictures, text, hop_labels(p, q), done)

    def _goal(self, query: Query) -> NDArray[np.float32] | None:
        """The query's goal, or that of the known sentence that is most like it; None where there is
        none."""
        if query.goal_image is not None or not len(self._goals):
            return query.goal_image
        return self._goals[int(np.argmax(self._texts @ query.text_embedding))]

    def _ask(
        self, queries: Sequence[Query], starts: Sequence[Features]
    ) -> list[tuple[Labels, Labels]]:
        """Hops (T, 4) to each new frame from the one before, the start and the goal, and from the
        goal to the start, the last two NaN where there is no goal; and claims, (T,)."""
        pictures, texts, blank = list[Features](), list[Features](), list[bool]()
        for query, start in zip(queries, starts, strict=True):
            goal = self._goal(query)
            blank.append(goal is None)
            pictures.append(asked(query, start, np.zeros_like(start[0]) if goal is None else goal))
            texts.append(np.repeat(query.text_embedding[None], len(pictures[-1]), axis=0))
        with torch.inference_mode():
            logits, done = self.network(
                torch.as_tensor(np.concatenate(pictures)), torch.as_tensor(np.concatenate(texts))
            )
            hops = expected_change(logits).reshape(-1, 4).numpy()
            claims = done.reshape(-1, 4)[:, 0].sigmoid().numpy()
        hops[np.repeat(blank, [len(query.features) for query in queries]), 2:] = np.nan
        bounds = np.cumsum([len(query.features) for query in queries])[:-1]
        return list(zip(np.split(hops, bounds), np.split(claims, bounds), strict=True))

    def _curves(
        self, state: list[float], hops: list[list[float]]
    ) -> tuple[list[float], list[float]]:
        """The chosen curve, (T,), and its state: the incremental curve and the consistent one."""
        values: list[float] = []
        for step, from_start, from_goal, start_from_goal in hops:
            anchored = -start_from_goal >= CYCLE  # NaN, where there is no goal, is not
            first = progress_from_goal(start_from_goal) if anchored else 0.0
            summed = apply_hop(state[0], step) if state else first
            ahead = apply_hop(first, from_start)
            back = progress_from_goal(from_goal) if anchored else ahead
            steady = (
                fuse_consistent(state[1], summed - state[0], ahead, back, self._alpha)
                if state
                else first
            )
            fused = (summed + ahead + back) / 3 if anchored or np.isnan(from_goal) else summed
            curves = {
                "fused": fused,
                "consistent": steady,
                "incremental": summed,
                "forward": ahead,
                "backward": back,
            }
            values.append(curves[self._curve])
            state = [summed, steady]
        return values, state


class _Hops:
    """Draws pairs with the start and a goal picture beside them, and gives their loss.

    The goal is the end of any success of the sentence; where there is none it is all zeros.
    """

    def __init__(self, examples: Sequence[Example], batch: int, loss: Loss) -> None:
        self._batch, self._loss = batch, loss
        self._stack, self._pairs = PackedEpisodes(examples), FramePairSampler(examples)
        self._frames = torch.cat([self._stack.frames, torch.zeros_like(self._stack.frames[:1])])
        self._ends: list[Indices] = []
        for example in examples:
            kin = [
                row
                for row, other in enumerate(examples)
                if other.instruction == example.instruction
            ]
            good = [row for row in kin if examples[row].success is not False]
            self._ends.append((self._stack.starts + self._stack.lengths - 1)[good])

    def __call__(self, rng: np.random.Generator) -> Tensor:
        drawn, blank = self._pairs.sample(rng, self._batch), len(self._frames) - 1
        ends = [self._ends[int(row)] for row in drawn.instruction_episode]
        goal = np.array([int(rng.choice(some)) if len(some) else blank for some in ends])
        shown = (rng.random((2, self._batch)) < TOWARDS_GOAL / 2) & (goal != blank)
        shown[1] &= drawn.matches | (
            drawn.instruction_episode == drawn.instruction
        )  # the goal of another sentence is never reached
        before, after = np.where(shown, goal, [drawn.before, drawn.after])
        p, q = np.where(
            shown, 1.0, np.where(drawn.matches, [drawn.progress_before, drawn.progress_after], 0.0)
        ).astype(np.float32)
        done = np.where(shown[1], 1.0, drawn.success).astype(np.float32)
        pictures = self._frames[np.stack([drawn.first, goal, before, after], axis=1)]
        return self._loss(pictures, self._stack.text[drawn.instruction], p, q, done)


def hop_labels(p: Labels, q: Labels) -> Labels:
    """`hop` of each pair, in [-1, 1], NaN where nobody knows."""
    told = zip(p.tolist(), q.tolist(), np.isfinite(p + q).tolist(), strict=True)
    return np.array([relative_hop(a, b) if known else np.nan for a, b, known in told], np.float32)


def ends(examples: Sequence[Example]) -> tuple[Features, Features]:
    """The last frame of the first success of each sentence, (S, D), and the sentences, (S, E)."""
    first: dict[str, Example] = {}
    for example in examples:
        if example.success is not False:
            first.setdefault(example.instruction, example)
    goals = np.zeros((0, examples[0].features.shape[1]), np.float32)
    texts = np.zeros((0, len(examples[0].text_embedding)), np.float32)
    for example in first.values():
        goals, texts = (
            np.vstack([goals, example.features[-1]]),
            np.vstack([texts, example.text_embedding]),
        )
    return goals, texts


def asked(query: Query, start: Features, goal: NDArray[np.float32]) -> Features:
    """The pictures of four hops for each new frame, (4 T, 4, D): [start, goal, before, after]."""
    before = np.concatenate([query.state.get("last", query.features[:1]), query.features[:-1]])
    first, last = np.broadcast_to(start, before.shape), np.broadcast_to(goal, before.shape)
    pairs = (
        (before, query.features),
        (first, query.features),
        (last, query.features),
        (last, first),
    )
    return np.stack([np.stack([first, last, *pair], axis=1) for pair in pairs], axis=1).reshape(
        -1, 4, before.shape[1]
    )
