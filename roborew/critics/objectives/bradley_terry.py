"""A score of single frames that explains which of two pieces of video was called the better one:
Bradley-Terry, or an ordinal distribution."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from roborew.critics.dataset.preferences import (
    PackedComparisons,
    ScriptedTeacher,
    SegmentComparison,
)
from roborew.critics.networks.reward_network import RewardNetwork, kl_divergence
from roborew.critics.objective import Query
from roborew.critics.torch_objective import TorchObjective
from roborew.errors import CorruptFileError, InvalidInputError
from roborew.learning.examples import Example, Report
from roborew.learning.packed_episodes import PackedEpisodes
from roborew.types import RecurrentState, RewardSpec, Scores

Head = Literal["bradley_terry", "ordinal"]
Answered = Callable[[np.random.Generator], Tensor]
KNOWN = "known_users"
MISLED = 4
"""For so many answers of a batch, one piece is shown under a wrong sentence."""
CONTEXT = 32
"""Answers from which a user is read while learning."""


class BradleyTerry(TorchObjective[RewardNetwork]):
    """Answers come from a teacher who knows the labels (`fit`), or from wherever the caller has
    them (`learn`), such as a judge's `roborew.rewards.preferences.PreferenceLabeler`. For an
    ensemble fit several members.

    Args:
        seed: of weights, order and questions.
        steps: gradient steps.
        batch_size: answers a step.
        hidden_dim: of the network.
        num_queries: questions that the teacher is asked.
        segment_length: frames of a piece.
        tie_margin: difference in progress below which the teacher sees none.
        label_noise: share of answers that are turned round: the teacher does so, and the likelihood
            expects it.
        head: "bradley_terry", or "ordinal" for a distribution over grades.
        num_bins: grades of an ordinal head.
        risk_coef: how many standard deviations of its grade are taken off an ordinal score.
        num_similarity_queries: questions which of two pieces is more like a third, that the teacher is asked too
            (SIRL).
        latent_dim: numbers that tell users apart, where several answered; 0: all are taken for one
            (VPL).
        user: whose answers the score follows.
    """

    spec: ClassVar[RewardSpec] = RewardSpec(
        name="preference",
        low=0.0,
        high=1.0,
        context=1,
        causal=True,
        needs_goal_image=False,
        predicts_success=False,
        paper="RL-VLM-F, arXiv:2402.03681; OPRM, arXiv:2602.12660",
    )

    RENAMED: ClassVar[Mapping[str, str]] = {
        "batch": "batch_size",
        "width": "hidden_dim",
        "queries": "num_queries",
        "length": "segment_length",
        "tie": "tie_margin",
        "noise": "label_noise",
        "bins": "num_bins",
        "risk": "risk_coef",
        "similar": "num_similarity_queries",
        "latent": "latent_dim",
    }

    def __init__(
        self,
        *,
        seed: int = 0,
        steps: int = 400,
        batch_size: int = 256,
        hidden_dim: int = 64,
        num_queries: int = 4000,
        segment_length: int = 1,
        tie_margin: float = 0.02,
        label_noise: float = 0.0,
        head: Head = "bradley_terry",
        num_bins: int = 9,
        risk_coef: float = 0.0,
        num_similarity_queries: int = 0,
        latent_dim: int = 0,
        user: int = 0,
    ) -> None:
        super().__init__("preference", seed, steps)
        if (
            batch_size < 1
            or hidden_dim < 8
            or num_queries < 1
            or num_bins < 2
            or not risk_coef >= 0
            or min(num_similarity_queries, latent_dim, user) < 0
        ):
            raise InvalidInputError(
                f"preference: expected batch and queries >= 1, width >= 8, bins >= 2, nothing "
                f"below 0; got {batch_size}, "
                f"{num_queries}, {hidden_dim}, {num_bins}, risk {risk_coef}, "
                f"similar {num_similarity_queries}, latent {latent_dim} and "
                f"user {user}."
            )
        self._teacher, self._queries = (
            ScriptedTeacher(
                segment_length=segment_length, tie_margin=tie_margin, label_noise=label_noise
            ),
            num_queries,
        )
        self._batch, self._width, self._risk = batch_size, hidden_dim, risk_coef
        self._similar, self._latent, self._user = num_similarity_queries, latent_dim, user
        self._users = np.zeros((1, latent_dim), np.float32)
        self._outputs = num_bins if head == "ordinal" else 1

    def build(self, feature_dim: int, text_dim: int) -> RewardNetwork:
        """The network for frames (D,) and sentences (E,), untrained."""
        return RewardNetwork(feature_dim, text_dim, self._width, self._outputs, self._latent)

    def fit(
        self, examples: Sequence[Example], validation: Sequence[Example], report: Report
    ) -> None:
        """Ask the scripted teacher about the examples, and learn from the answers."""
        answers = self._teacher.sample_comparisons(
            np.random.default_rng(self._seed), examples, self._queries
        )
        self.learn(examples, answers, report)

    def learn(
        self, examples: Sequence[Example], answers: Sequence[SegmentComparison], report: Report
    ) -> None:
        """Learn from answers about pieces of the examples.

        Raises:
            InvalidInputError: no answer, or one about an episode that there is not.
        """
        stack, known = (
            PackedEpisodes(examples),
            PackedComparisons.pack(answers, examples, self._teacher.segment_length),
        )
        alike = self._alike(stack, examples)

        def loss(rng: np.random.Generator) -> Tensor:
            asked = (
                np.flatnonzero(known.user == rng.choice(known.user))
                if self._latent
                else np.arange(len(known.label))
            )
            rows = rng.choice(asked, self._batch)
            user, apart = self._drawn_user(stack, known, rng.choice(asked, CONTEXT), rng)
            text = _beside(
                stack.text[stack.instructions.sample_matching(rng, known.episode[rows])], user
            )
            told = self.network(
                stack.frames[known.segments[rows]], _along(text, 2, self._teacher.segment_length)
            )
            explained = self.network.loss(
                told, torch.as_tensor(known.label[rows]), self._teacher.label_noise
            )
            refused = self._refused(stack, user, rng)
            return (
                explained + apart / self._batch + refused + (alike(rng) if self._similar else 0.0)
            )

        self.minimize(examples, loss, report)
        self._settle(stack, known)

    def _refused(
        self, stack: PackedEpisodes, user: Tensor, rng: np.random.Generator
    ) -> Tensor | float:
        """The loss of "better under its own sentence than under a wrong one", of pieces of any
        episode, where a wrong
        one is known: the same piece under another sentence is a failure (RoboReward,
            arXiv:2601.00675)."""
        if not stack.instructions.has_mismatched:
            return 0.0
        episodes = rng.integers(0, len(stack.lengths), max(self._batch // MISLED, 1))
        wrong = stack.instructions.sample_mismatched(rng, episodes)
        episodes, wrong = episodes[wrong >= 0], wrong[wrong >= 0]
        if not len(wrong):
            return 0.0
        length, last = self._teacher.segment_length, stack.lengths[episodes, None] - 1
        at = np.minimum(rng.integers(0, last + 1) + np.arange(length), last)
        pieces = stack.frames[stack.starts[episodes, None] + at]
        both = [
            _along(_beside(stack.text[r], user), 1, length)
            for r in (wrong, stack.instructions.sample_matching(rng, episodes))
        ]
        told = self.network(pieces[:, None].expand(-1, 2, -1, -1), torch.cat(both, dim=1))
        return self.network.loss(told, torch.ones(len(told)), 0.0)

    def _drawn_user(
        self,
        stack: PackedEpisodes,
        known: PackedComparisons,
        rows: NDArray[np.int64],
        rng: np.random.Generator,
    ) -> tuple[Tensor, Tensor]:
        """A draw of what is known of a user from some answers, (latent,), and how far that is from
        knowing nothing."""
        mean, spread = self.network.encode_user(
            stack.frames[known.segments[rows]], torch.as_tensor(known.label[rows])
        )
        noise = torch.as_tensor(rng.standard_normal(self._latent), dtype=torch.float32)
        return mean + noise * (spread / 2).exp(), kl_divergence(mean, spread)

    def _alike(self, stack: PackedEpisodes, examples: Sequence[Example]) -> Answered:
        """The loss of the teacher's answers about what is alike."""
        rng = np.random.default_rng([self._seed, 1])
        triples = self._teacher.sample_triplets(rng, examples, self._similar)

        def loss(rng: np.random.Generator) -> Tensor:
            rows = triples[rng.integers(0, len(triples), self._batch)]
            owner = np.searchsorted(stack.starts, rows[:, 0, 0], side="right") - 1
            text = _beside(stack.text[owner], torch.zeros(self._latent))
            return self.network.triplet_loss(stack.frames[rows], _along(text, *rows.shape[1:]))

        return loss

    def _settle(self, stack: PackedEpisodes, known: PackedComparisons) -> None:
        """Read every user from all answers, and take the middle of all rewards for the chosen
        one."""
        users: list[NDArray[np.float32]] = []
        with torch.inference_mode():
            for user in range(int(known.user.max()) + 1):
                rows = np.flatnonzero(known.user == user)
                label = torch.as_tensor(known.label[rows])
                mean = (
                    self.network.encode_user(stack.frames[known.segments[rows]], label)[0]
                    if len(rows)
                    else None
                )
                users.append(np.zeros(self._latent, np.float32) if mean is None else mean.numpy())
        self._users = np.stack(users)
        owner = np.repeat(np.arange(len(stack.lengths)), stack.lengths)
        self.network.fit_normalization(stack.frames, _beside(stack.text[owner], self._chosen()))

    def _chosen(self) -> Tensor:
        """What is known of the user whose answers count, (latent,)."""
        if self._latent and self._user >= len(self._users):
            raise InvalidInputError(
                f"preference: no user {self._user}; {len(self._users)} have answered."
            )
        return torch.as_tensor(self._users[self._user if self._latent else 0])

    def state_dict(self) -> Mapping[str, NDArray[Any]]:
        """The weights, and what is known of each user."""
        return {**super().state_dict(), KNOWN: self._users}

    def load_state_dict(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over saved weights and users."""
        users = arrays.get(KNOWN, np.zeros(0))
        if (
            users.ndim != 2
            or users.shape[1] != self._latent
            or not len(users)
            or users.dtype != np.float32
        ):
            raise CorruptFileError(
                f"preference: expected {KNOWN!r} of shape (users, {self._latent}); got "
                f"{users.shape}."
            )
        super().load_state_dict({name: array for name, array in arrays.items() if name != KNOWN})
        self._users = users

    def score_step(self, queries: Sequence[Query]) -> tuple[list[Scores], list[RecurrentState]]:
        """Score each frame by itself; nothing is remembered."""
        frames = torch.as_tensor(np.concatenate([query.features for query in queries]))
        lengths = [len(query.features) for query in queries]
        text = torch.as_tensor(
            np.repeat(np.stack([query.text_embedding for query in queries]), lengths, axis=0)
        )
        with torch.inference_mode():
            values = self.network.score(frames, _beside(text, self._chosen()), self._risk).numpy()
        parts = np.split(values, np.cumsum(lengths)[:-1])
        return [Scores(part, np.ones(len(part), np.bool_)) for part in parts], [{} for _ in queries]


def _along(text: Tensor, pieces: int, length: int) -> Tensor:
    """Sentences (N, E) for every frame of their pieces, (N, pieces, length, E)."""
    return text[:, None, None].expand(-1, pieces, length, -1)


def _beside(text: Tensor, user: Tensor) -> Tensor:
    """Sentences (N, E) with what is known of the user beside them, (N, E + latent)."""
    return torch.cat([text, user.expand(len(text), -1)], dim=1)
