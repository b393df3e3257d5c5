"""A score of single frames that explains which of two pieces of video was called the better one: Bradley-Terry, or an
ordinal distribution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from roborew.critics.comparisons import Answers, Comparison, Teacher
from roborew.critics.heads import deviation, exceeds, expectation
from roborew.critics.learned import Learned, Stack
from roborew.critics.objective import Example, Query, Report, Traits
from roborew.errors import InvalidInputError
from roborew.types import Memory, Scores

Head = Literal["bradley_terry", "ordinal"]
LARGEST = 50.0
"""Differences in reward beyond it count as much."""


class Preference(Learned["RewardNetwork"]):
    """Answers come from a teacher who knows the labels (`fit`), or from wherever the caller has them (`learn`), such as
    a judge's `roborew.rewards.preferences.PreferenceLabeller`. For an ensemble fit several members.

    Args:
        seed: of weights, order and questions.
        steps: gradient steps.
        batch: answers a step.
        width: of the network.
        queries: questions that the teacher is asked.
        length: frames of a piece.
        tie: difference in progress below which the teacher sees none.
        noise: share of answers that are turned round: the teacher does so, and the likelihood expects it.
        head: "bradley_terry", or "ordinal" for a distribution over grades.
        bins: grades of an ordinal head.
        risk: how many standard deviations of its grade are taken off an ordinal score.
    """

    traits: ClassVar[Traits] = Traits(
        low=0.0,
        high=1.0,
        context=1,
        causal=True,
        needs_goal=False,
        claims=False,
        paper="RL-VLM-F, arXiv:2402.03681; OPRM, arXiv:2602.12660",
    )

    def __init__(
        self,
        *,
        seed: int = 0,
        steps: int = 400,
        batch: int = 256,
        width: int = 64,
        queries: int = 4000,
        length: int = 1,
        tie: float = 0.02,
        noise: float = 0.0,
        head: Head = "bradley_terry",
        bins: int = 9,
        risk: float = 0.0,
    ) -> None:
        super().__init__("preference", seed, steps)
        if batch < 1 or width < 8 or queries < 1 or bins < 2 or not risk >= 0:
            raise InvalidInputError(
                f"preference: expected batch and queries >= 1, width >= 8, bins >= 2 and risk >= 0; "
                f"got {batch}, {queries}, {width}, {bins} and {risk}."
            )
        self._teacher, self._queries = Teacher(length=length, tie=tie, noise=noise), queries
        self._batch, self._width, self._risk = batch, width, risk
        self._outputs = bins if head == "ordinal" else 1

    def build(self, features: int, text: int) -> RewardNetwork:
        """The network for frames (D,) and sentences (E,), untrained."""
        return RewardNetwork(features, text, self._width, self._outputs)

    def fit(self, examples: Sequence[Example], validation: Sequence[Example], report: Report) -> None:
        """Ask the scripted teacher about the examples, and learn from the answers."""
        answers = self._teacher.answers(np.random.default_rng(self._seed), examples, self._queries)
        self.learn(examples, answers, report)

    def learn(self, examples: Sequence[Example], answers: Sequence[Comparison], report: Report) -> None:
        """Learn from answers about pieces of the examples.

        Raises:
            InvalidInputError: no answer, or one about an episode that there is not.
        """
        stack, known = Stack(examples), Answers.of(answers, examples, self._teacher.length)

        def loss(rng: np.random.Generator) -> Tensor:
            rows = rng.integers(0, len(known.label), self._batch)
            text = stack.text[known.text[rows]][:, None, None].expand(-1, 2, self._teacher.length, -1)
            told = self.network(stack.frames[known.pieces[rows]], text)
            return self.network.loss(told, torch.as_tensor(known.label[rows]), self._teacher.noise)

        self.descend(examples, loss, report)
        owner = np.repeat(np.arange(len(stack.length)), stack.length)
        self.network.settle(stack.frames, stack.text[owner])

    def extend(self, queries: Sequence[Query]) -> tuple[list[Scores], list[Memory]]:
        """Score each frame by itself; nothing is remembered."""
        frames = torch.as_tensor(np.concatenate([query.features for query in queries]))
        lengths = [len(query.features) for query in queries]
        text = torch.as_tensor(np.repeat(np.stack([query.text for query in queries]), lengths, axis=0))
        with torch.inference_mode():
            values = self.network.score(frames, text, self._risk).numpy()
        parts = np.split(values, np.cumsum(lengths)[:-1])
        return [Scores(part, np.ones(len(part), np.bool_)) for part in parts], [{} for _ in queries]


class RewardNetwork(nn.Module):
    """Frames (..., D) and sentences (..., E) to rewards (..., 1), or to logits of grades (..., bins)."""

    middle: Tensor
    spread: Tensor

    def __init__(self, features: int, text: int, width: int, outputs: int) -> None:
        super().__init__()
        self.frame = nn.LayerNorm(features)
        self.layers = nn.Sequential(
            nn.Linear(features + text, 2 * width), nn.GELU(), nn.Linear(2 * width, width), nn.GELU()
        )
        self.last = nn.Linear(width, outputs)
        self.register_buffer("middle", torch.zeros(()))
        self.register_buffer("spread", torch.ones(()))

    def forward(self, frames: Tensor, text: Tensor) -> Tensor:
        return self.last(self.layers(torch.cat([self.frame(frames), text], dim=-1)))

    def loss(self, told: Tensor, label: Tensor, noise: float) -> Tensor:
        """Of outputs (B, 2, length, outputs) for labels (B,), of which a share was turned round.

        Bradley-Terry: ``P = (1 - 2 noise) sigma(R2 - R1) + noise``, R the sum over a piece. Ordinal: each piece has
        the mean distribution of its frames, and the better one is strictly above.
        """
        if told.shape[-1] == 1:
            total = told[..., 0].sum(-1)
            second = (total[:, 1] - total[:, 0]).clamp(-LARGEST, LARGEST).sigmoid()
            first, weight = 1 - second, 1e-3 * told.square().mean()
        else:
            grades = told.softmax(-1).mean(2)
            second, first = exceeds(grades[:, 0], grades[:, 1]), exceeds(grades[:, 1], grades[:, 0])
            weight = told.new_zeros(())
        for_second, for_first = ((1 - 2 * noise) * side + noise for side in (second, first))
        likelihood = label * for_second.clamp(min=1e-6).log() + (1 - label) * for_first.clamp(min=1e-6).log()
        return weight - likelihood.mean()

    def settle(self, frames: Tensor, text: Tensor) -> None:
        """Take the mean and the spread of rewards over frames (N, D): a Bradley-Terry reward has no zero of its own."""
        with torch.no_grad():
            rewards = self(frames, text)
            if rewards.shape[-1] == 1:
                self.middle.copy_(rewards.mean())
                self.spread.copy_(rewards.std().clamp(min=1e-6))

    def score(self, frames: Tensor, text: Tensor, risk: float) -> Tensor:
        """Scores (N,) in [0, 1]."""
        told = self(frames, text)
        if told.shape[-1] == 1:
            return functional.sigmoid((told[:, 0] - self.middle) / self.spread)
        return (expectation(told) - risk * deviation(told)).clamp(0.0, 1.0)
