"""A score of single frames that explains which of two pieces of video was called the better one:
Bradley-Terry, or an ordinal distribution.

RL-VLM-F (arXiv:2402.03681) and OPRM (arXiv:2602.12660); several users as in VPL (arXiv:2408.10075),
what is alike as in SIRL (arXiv:2301.00810).
"""

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
from roborew.critics.torch_objective import PerFrameObjective
from roborew.errors import CorruptFileError, InvalidInputError
from roborew.learning.examples import Example, Report
from roborew.learning.packed_episodes import PackedEpisodes
from roborew.learning.sampling import Indices
from roborew.types import RewardSpec

Head = Literal["bradley_terry", "ordinal"]
BatchLoss = Callable[[np.random.Generator], Tensor]
USERS = "known_users"
COMPARISONS_PER_MISMATCH = 4
"""For so many comparisons of a batch, one segment is compared with itself under a wrong sentence."""
NUM_CONTEXT_COMPARISONS = 32
"""Comparisons from which a user is read while learning."""


class BradleyTerry(PerFrameObjective[RewardNetwork]):
    """``L = -log P(label)`` with ``P(second is better) = sigma(R_2 - R_1)``, R the sum of rewards
    over a segment (RL-VLM-F's preference predictor and its cross-entropy), or with ``P = sum_k
    p_2(k) P_1(grade < k)`` of an ordinal head (OPRM's pairwise probability); with users, plus
    ``KL(q(z | answers) | N(0, I))`` (VPL).

    Answers come from a teacher who knows the labels (`fit`), or from wherever the caller has them
    (`learn`), such as a judge's `roborew.rewards.preferences.PreferenceLabeller`. For an ensemble
    fit several members.

    Args:
        seed: random seed of the weights, the sampling order and the teacher's questions.
        steps: gradient steps.
        batch_size: comparisons a step.
        hidden_dim: width of the network.
        num_queries: comparisons that the teacher is asked for.
        segment_length: frames of a segment.
        tie_margin: difference in progress below which the teacher sees none.
        label_noise: share of answers that are turned round: the teacher does so, and the likelihood
            expects it.
        head: "bradley_terry", or "ordinal" for a distribution over grades.
        num_bins: grades of an ordinal head.
        risk_coef: how many standard deviations of its grade are taken off an ordinal score.
        num_similarity_queries: questions which of two segments is more like a third, that the
            teacher is asked too (SIRL).
        latent_dim: numbers that tell users apart, where several answered; 0: all are taken for one
            (VPL).
        user: whose answers the score follows.
    """

    spec: ClassVar[RewardSpec] = RewardSpec(
        name="bradley_terry",
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
        super().__init__("bradley_terry", seed, steps)
        _check_at_least(1, batch_size=batch_size, num_queries=num_queries)
        _check_at_least(8, hidden_dim=hidden_dim)
        _check_at_least(2, num_bins=num_bins)
        _check_at_least(0, risk_coef=risk_coef, num_similarity_queries=num_similarity_queries)
        _check_at_least(0, latent_dim=latent_dim, user=user)

        self._teacher = ScriptedTeacher(
            segment_length=segment_length, tie_margin=tie_margin, label_noise=label_noise
        )
        self._batch_size = batch_size
        self._hidden_dim = hidden_dim
        self._num_queries = num_queries
        self._num_outputs = num_bins if head == "ordinal" else 1
        self._risk_coef = risk_coef
        self._num_similarity_queries = num_similarity_queries
        self._latent_dim = latent_dim
        self._user = user
        self._users = np.zeros((1, latent_dim), np.float32)

    def build(self, feature_dim: int, text_dim: int) -> RewardNetwork:
        """The network for frames (D,) and sentences (E,), untrained."""
        return RewardNetwork(
            feature_dim, text_dim, self._hidden_dim, self._num_outputs, self._latent_dim
        )

    def fit(
        self, examples: Sequence[Example], validation: Sequence[Example], report: Report
    ) -> None:
        """Ask the scripted teacher about the examples, and learn from the answers."""
        # Asked once, as a person would be: the same answers are learned from all along.
        rng = np.random.default_rng(self._seed)
        comparisons = self._teacher.sample_comparisons(rng, examples, self._num_queries)
        self.learn(examples, comparisons, report)

    def learn(
        self,
        examples: Sequence[Example],
        answers: Sequence[SegmentComparison],
        report: Report,
    ) -> None:
        """Learn from answers about segments of the examples.

        Raises:
            InvalidInputError: no answer, or one about an episode that there is not.
        """
        episodes = PackedEpisodes(examples)
        comparisons = PackedComparisons.pack(answers, examples, self._teacher.segment_length)
        similarity_loss = self._similarity_loss(episodes, examples)

        def loss(rng: np.random.Generator) -> Tensor:
            preference_loss = self._preference_loss(episodes, comparisons, rng)
            if not self._num_similarity_queries:
                return preference_loss
            return preference_loss + similarity_loss(rng)

        self.minimize(examples, loss, report)
        self._users = self._encode_users(episodes, comparisons)

        # Only differences of a Bradley-Terry reward are learned: its zero and unit are set here.
        text = _with_user(episodes.text[episodes.owners], self._selected_user())
        self.network.fit_normalization(episodes.frames, text)

    def predict(self, frames: Tensor, text: Tensor, goal: Tensor) -> tuple[Tensor, Tensor | None]:
        """Rewards as the selected user sees them, normalized to [0, 1]."""
        inputs = _with_user(text, self._selected_user())
        return self.network.score(frames, inputs, self._risk_coef), None

    def state_dict(self) -> Mapping[str, NDArray[Any]]:
        """The weights, and what is known of each user."""
        return {**super().state_dict(), USERS: self._users}

    def load_state_dict(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over saved weights and users."""
        weights = dict(arrays)
        users = weights.pop(USERS, np.zeros(0))
        one_row_a_user = users.ndim == 2 and users.shape[1] == self._latent_dim
        if not one_row_a_user or len(users) == 0 or users.dtype != np.float32:
            raise CorruptFileError(
                f"bradley_terry: expected {USERS!r} of shape (users, {self._latent_dim}); got "
                f"{users.shape}."
            )

        super().load_state_dict(weights)
        self._users = users

    def _preference_loss(
        self, episodes: PackedEpisodes, comparisons: PackedComparisons, rng: np.random.Generator
    ) -> Tensor:
        """Of comparisons of one user, and of segments under a wrong sentence, a scalar."""
        candidates = np.arange(len(comparisons.label))
        if self._latent_dim:
            # Drawn from the answers, so that a user counts as often as they answered.
            user = rng.choice(comparisons.user)
            candidates = np.flatnonzero(comparisons.user == user)
        rows = rng.choice(candidates, self._batch_size)
        context = rng.choice(candidates, NUM_CONTEXT_COMPARISONS)
        latent, divergence = self._sample_latent(episodes, comparisons, context, rng)

        matching = episodes.instructions.sample_matching(rng, comparisons.episode[rows])
        text = _with_user(episodes.text[matching], latent)
        segments = episodes.frames[comparisons.segments[rows]]
        outputs = self.network(segments, _for_frames(text, 2, self._teacher.segment_length))

        labels = torch.as_tensor(comparisons.label[rows])
        likelihood_loss = self.network.loss(outputs, labels, self._teacher.label_noise)
        # One user's divergence belongs to all of a batch's answers, of which the loss is the mean.
        divergence_loss = divergence / self._batch_size
        return likelihood_loss + divergence_loss + self._mismatch_loss(episodes, latent, rng)

    def _sample_latent(
        self,
        episodes: PackedEpisodes,
        comparisons: PackedComparisons,
        rows: Indices,
        rng: np.random.Generator,
    ) -> tuple[Tensor, Tensor]:
        """A draw of what is known of a user from some comparisons, (latent,), and how far that is
        from knowing nothing."""
        segments = episodes.frames[comparisons.segments[rows]]
        labels = torch.as_tensor(comparisons.label[rows])
        mean, log_variance = self.network.encode_user(segments, labels)

        # Reparametrized, so that the gradient reaches mean and variance.
        noise = rng.standard_normal(self._latent_dim)
        std = (log_variance / 2).exp()
        latent = mean + torch.as_tensor(noise, dtype=torch.float32) * std
        return latent, kl_divergence(mean, log_variance)

    def _mismatch_loss(
        self, episodes: PackedEpisodes, latent: Tensor, rng: np.random.Generator
    ) -> Tensor | float:
        """The loss of "better under its own sentence than under a wrong one", of segments of any
        episode, where a wrong one is known: the same segment under another sentence is a failure
        (RoboReward, arXiv:2601.00675)."""
        if not episodes.instructions.has_mismatched:
            return 0.0

        count = max(self._batch_size // COMPARISONS_PER_MISMATCH, 1)
        chosen = rng.integers(0, len(episodes.lengths), count)
        mismatched = episodes.instructions.sample_mismatched(rng, chosen)
        has_mismatched = mismatched >= 0
        chosen = chosen[has_mismatched]
        mismatched = mismatched[has_mismatched]
        if len(chosen) == 0:
            return 0.0

        segments = self._sample_segments(episodes, chosen, rng)
        matching = episodes.instructions.sample_matching(rng, chosen)
        texts: list[Tensor] = []
        for rows in (mismatched, matching):
            text = _with_user(episodes.text[rows], latent)
            texts.append(_for_frames(text, 1, self._teacher.segment_length))

        same_segment_twice = segments[:, None].expand(-1, 2, -1, -1)
        outputs = self.network(same_segment_twice, torch.cat(texts, dim=1))
        second_is_better = torch.ones(len(outputs))
        # No answer is turned round here: what a sentence does not say is no matter of taste.
        return self.network.loss(outputs, second_is_better, 0.0)

    def _sample_segments(
        self, episodes: PackedEpisodes, chosen: Indices, rng: np.random.Generator
    ) -> Tensor:
        """A segment of each episode, (N, length, D); the last frame is repeated where it ends."""
        first = rng.integers(0, episodes.lengths[chosen])
        rows = episodes.segment_rows(chosen, first, self._teacher.segment_length)
        return episodes.frames[rows]

    def _similarity_loss(self, episodes: PackedEpisodes, examples: Sequence[Example]) -> BatchLoss:
        """The loss of the teacher's answers about what is alike."""
        # A generator of its own: the comparisons stay the same with and without these questions.
        teacher_rng = np.random.default_rng([self._seed, 1])
        triplets = self._teacher.sample_triplets(
            teacher_rng, examples, self._num_similarity_queries
        )
        # What is alike is the same for all users.
        no_user = torch.zeros(self._latent_dim)

        def loss(rng: np.random.Generator) -> Tensor:
            picks = rng.integers(0, len(triplets), self._batch_size)
            rows = triplets[picks]
            _, num_segments, length = rows.shape

            first_rows = rows[:, 0, 0]
            owner = np.searchsorted(episodes.starts, first_rows, side="right") - 1
            text = _with_user(episodes.text[owner], no_user)
            frame_text = _for_frames(text, num_segments, length)
            return self.network.triplet_loss(episodes.frames[rows], frame_text)

        return loss

    def _encode_users(
        self, episodes: PackedEpisodes, comparisons: PackedComparisons
    ) -> NDArray[np.float32]:
        """What all comparisons say of every user, (users, latent); zeros for one who gave none."""
        num_users = int(comparisons.user.max()) + 1
        users = np.zeros((num_users, self._latent_dim), np.float32)

        with torch.inference_mode():
            for user in range(num_users):
                rows = np.flatnonzero(comparisons.user == user)
                if len(rows) == 0:
                    continue
                segments = episodes.frames[comparisons.segments[rows]]
                labels = torch.as_tensor(comparisons.label[rows])
                mean, _ = self.network.encode_user(segments, labels)
                users[user] = mean.numpy()
        return users

    def _selected_user(self) -> Tensor:
        """What is known of the user whose answers count, (latent,)."""
        if not self._latent_dim:
            return torch.as_tensor(self._users[0])
        if self._user >= len(self._users):
            raise InvalidInputError(
                f"bradley_terry: no user {self._user}; {len(self._users)} have answered."
            )
        return torch.as_tensor(self._users[self._user])


def _for_frames(text: Tensor, num_segments: int, length: int) -> Tensor:
    """Sentences (N, E) for every frame of their segments, (N, num_segments, length, E)."""
    return text[:, None, None].expand(-1, num_segments, length, -1)


def _with_user(text: Tensor, latent: Tensor) -> Tensor:
    """Sentences (N, E) with what is known of the user beside them, (N, E + latent)."""
    return torch.cat([text, latent.expand(len(text), -1)], dim=1)


def _check_at_least(minimum: int, **settings: float) -> None:
    """Raise `InvalidInputError` for a setting below its minimum, NaN included."""
    for name, value in settings.items():
        if not value >= minimum:
            raise InvalidInputError(
                f"bradley_terry: expected {name} of at least {minimum}; got {value}."
            )
