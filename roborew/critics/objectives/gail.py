"""What tells the steps of successes from those of an agent or of failures: GAIL from observations.

GAIL (arXiv:1606.03476) on pairs of successive frames, since films hold no actions, which is GAIfO
(arXiv:1807.06158), with the gradient penalty, the spectral norm and the pessimistic preconditioning of
Blondé et al. (arXiv:2006.16785); or with a discriminator of the form that AIRL (arXiv:1710.11248)
gives its reward.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from roborew.critics.networks.discriminator import (
    Discriminator,
    Transitions,
    excess_slope,
    preconditioning,
    slope_penalty,
)
from roborew.critics.objective import Query, split_scores
from roborew.critics.torch_objective import TorchObjective
from roborew.errors import InvalidInputError
from roborew.learning.examples import Example, Features, Report
from roborew.learning.packed_episodes import PackedEpisodes
from roborew.learning.sampling import Indices
from roborew.types import RecurrentState, RewardSpec, Scores

ALGORITHMS = {
    "gaifo": "gaifo",
    "disentangled": "disentangled",
    "gail": "gaifo",
    "airl": "disentangled",
}
"""Each by its name, and by what releases before called it: the second one never was AIRL."""
MAX_REWARD = 10.0
"""Scores are clipped here."""


class Gail(TorchObjective["Discriminator"]):
    """``L = BCE(D) - ent_coef H(D) + gradient_penalty E[max(0, |grad D| - 1)^2]``, D the probability
    that a step is a success's (GAIL's discriminator; the one-sided gradient penalty of Blondé et al.).

    The score is ``-log(1 - D)`` in [0, 10] (gaifo), or the same of the part that depends on the
    new frame alone where the logits are ``f(s, s') = g(s') + gamma h(s') - h(s)`` (disentangled).
    AIRL's logits are ``f - log pi(a | s)``. Films hold no actions and no density of them, so that
    term is left out: what is fitted has AIRL's form of a reward, without its promise that the
    reward is the expert's. The first frame is taken for a step from itself. Successes stand against
    failures; `refit` adds what an agent visited, which is what the method is for.

    Args:
        seed: random seed of the weights and the sampling order.
        steps: gradient steps.
        batch_size: steps of each side a gradient step.
        hidden_dim: width of the discriminator.
        algorithm: "gaifo", or "disentangled" for AIRL's form of a reward.
        gradient_penalty: weight of slopes above 1 between successes and the others.
        spectral_norm: bound every layer's slope by 1.
        ent_coef: weight of the entropy of D, which keeps it from being sure.
        gamma: discount in the shaping term of the disentangled form.
        min_reward_scale: a score is multiplied by at least so much where a learned model of the
            step is steep; 1 for never.
    """

    spec: ClassVar[RewardSpec] = RewardSpec(
        name="gail",
        low=0.0,
        high=MAX_REWARD,
        context=2,
        causal=True,
        needs_goal_image=False,
        predicts_success=False,
        paper="GAIL, arXiv:1606.03476; GAIfO, arXiv:1807.06158; Blondé et al., arXiv:2006.16785",
        shaping="raw",
    )
    RENAMED: ClassVar[Mapping[str, str]] = {
        "batch": "batch_size",
        "width": "hidden_dim",
        "form": "algorithm",
        "penalty": "gradient_penalty",
        "spectral": "spectral_norm",
        "entropy": "ent_coef",
        "discount": "gamma",
        "pessimism": "min_reward_scale",
    }

    def __init__(
        self,
        *,
        seed: int = 0,
        steps: int = 300,
        batch_size: int = 64,
        hidden_dim: int = 64,
        algorithm: str = "gaifo",
        gradient_penalty: float = 10.0,
        spectral_norm: bool = False,
        ent_coef: float = 0.001,
        gamma: float = 0.99,
        min_reward_scale: float = 1.0,
    ) -> None:
        super().__init__("gail", seed, steps)
        if algorithm not in ALGORITHMS:
            raise InvalidInputError(
                f"gail: expected algorithm 'gaifo' or 'disentangled'; got {algorithm!r}."
            )
        if batch_size < 1 or hidden_dim < 1:
            raise InvalidInputError(
                f"gail: expected batch_size and hidden_dim >= 1; got {batch_size}, {hidden_dim}."
            )
        _check_coefficients(gradient_penalty, ent_coef, gamma, min_reward_scale)

        self._batch_size = batch_size
        self._hidden_dim = hidden_dim
        self._is_disentangled = ALGORITHMS[algorithm] == "disentangled"
        self._gradient_penalty = gradient_penalty
        self._spectral_norm = spectral_norm
        self._ent_coef = ent_coef
        self._gamma = gamma
        self._min_reward_scale = min_reward_scale

    def build(self, feature_dim: int, text_dim: int) -> Discriminator:
        """The discriminator for frames (D,) and sentences (E,), untrained."""
        return Discriminator(
            feature_dim,
            text_dim,
            self._hidden_dim,
            airl=self._is_disentangled,
            spectral_norm=self._spectral_norm,
            gamma=self._gamma,
        )

    def fit(
        self, examples: Sequence[Example], validation: Sequence[Example], report: Report
    ) -> None:
        """Tell the steps of successes from those of failures.

        Raises:
            InvalidInputError: either is missing.
        """
        self.refit(examples, [], report)

    def refit(
        self, examples: Sequence[Example], visited: Sequence[Example], report: Report
    ) -> None:
        """Learn anew, with every step of the visited episodes on the other side."""
        all_examples = [*examples, *visited]
        experts = [index for index, one in enumerate(examples) if one.success is not False]
        failures = [index for index, one in enumerate(examples) if one.success is False]
        negatives = [*failures, *range(len(examples), len(all_examples))]
        if not experts or not negatives:
            raise InvalidInputError(
                "gail: expected successes, and failures or episodes of an agent to tell them from; "
                f"got {len(experts)} and {len(negatives)}."
            )

        episodes = PackedEpisodes(all_examples)

        def loss(rng: np.random.Generator) -> Tensor:
            expert = sample_transitions(episodes, experts, rng, self._batch_size)
            policy = sample_transitions(episodes, negatives, rng, self._batch_size)
            return self._loss(expert, policy, rng)

        self.minimize(all_examples, loss, report)
        text = episodes.text[episodes.owners]
        self.network.fit_slope_scale(episodes.frames, text)

    def score_step(self, queries: Sequence[Query]) -> tuple[list[Scores], list[RecurrentState]]:
        """Score each frame by the step that leads to it; the last frame is remembered."""
        lengths = [len(query.features) for query in queries]
        before = np.concatenate([_frames_before(query) for query in queries])
        after = np.concatenate([query.features for query in queries])
        sentences = np.stack([query.text_embedding for query in queries])
        steps = Transitions(
            before=torch.as_tensor(before),
            after=torch.as_tensor(after),
            text=torch.as_tensor(np.repeat(sentences, lengths, axis=0)),
        )
        # All queries in one batch: a network call costs more than its rows.
        rewards = self._reward(steps).numpy()

        states: list[RecurrentState] = [{"frame": query.features[-1:].copy()} for query in queries]
        return split_scores(rewards, lengths), states

    def _reward(self, steps: Transitions) -> Tensor:
        """``softplus(logit) = -log(1 - D)`` of steps, clipped and preconditioned, shape (N,)."""
        with torch.no_grad():
            logits = self.network.reward(steps.before, steps.after, steps.text)
            reward = functional.softplus(logits).clamp(0.0, MAX_REWARD)
        if self._min_reward_scale == 1:
            return reward

        slope = self.network.step_slope(steps.before, steps.text)
        excess = excess_slope(slope)
        scale = float(self.network.steepness)
        factors = preconditioning(excess, scale, self._min_reward_scale)
        return (reward * factors).detach()

    def _loss(self, expert: Transitions, policy: Transitions, rng: np.random.Generator) -> Tensor:
        network = self.network
        expert_logits = network(expert.before, expert.after, expert.text)
        policy_logits = network(policy.before, policy.after, policy.text)
        logits = torch.cat([expert_logits, policy_logits])
        labels = torch.cat([torch.ones_like(expert_logits), torch.zeros_like(policy_logits)])

        entropy = _bernoulli_entropy(logits).mean()
        cross_entropy = functional.binary_cross_entropy_with_logits(logits, labels)
        loss = cross_entropy - self._ent_coef * entropy
        if self._gradient_penalty:
            penalty = slope_penalty(network, expert, policy, rng)
            loss = loss + self._gradient_penalty * penalty

        # The model of the step shares no weight with the discriminator; it is fitted beside it.
        return loss + self._step_loss(expert, policy)

    def _step_loss(self, expert: Transitions, policy: Transitions) -> Tensor:
        """Squared error of the frames that follow, a scalar."""
        before = torch.cat([expert.before, policy.before])
        after = torch.cat([expert.after, policy.after])
        text = torch.cat([expert.text, policy.text])
        # Of both sides: the slope is asked wherever a score is.
        states = torch.cat([before, text], dim=1)
        predicted = self.network.step(states)
        return functional.mse_loss(predicted, after)


def _check_coefficients(
    gradient_penalty: float, ent_coef: float, gamma: float, min_reward_scale: float
) -> None:
    """Raise `InvalidInputError` where one is out of its range."""
    if not (0 <= gradient_penalty < np.inf and 0 <= ent_coef < np.inf):
        raise InvalidInputError(
            "gail: expected gradient_penalty and ent_coef of at least 0; "
            f"got {gradient_penalty} and {ent_coef}."
        )
    if not (0 < gamma <= 1 and 0 < min_reward_scale <= 1):
        raise InvalidInputError(
            "gail: expected gamma and min_reward_scale in (0, 1]; "
            f"got {gamma} and {min_reward_scale}."
        )


def sample_transitions(
    episodes: PackedEpisodes, chosen: Sequence[int], rng: np.random.Generator, count: int
) -> Transitions:
    """Draw steps of some episodes, each episode as likely as any other. The first frame counts as a
    step from itself."""
    episode: Indices = rng.choice(np.array(chosen), count)
    after = rng.integers(0, episodes.lengths[episode])
    # Kept, though it does not move: the first frame of an episode is scored too.
    before = np.maximum(after - 1, 0)

    first_row = episodes.starts[episode]
    return Transitions(
        before=episodes.frames[first_row + before],
        after=episodes.frames[first_row + after],
        text=episodes.text[episode],
    )


def _frames_before(query: Query) -> Features:
    """The frame before each new one; the first of an episode stands before itself."""
    first = query.state.get("frame", query.features[:1])
    return np.concatenate([first, query.features[:-1]])


def _bernoulli_entropy(logits: Tensor) -> Tensor:
    """Entropy of each probability, shape (N,), from logits, which are finite where it is 0."""
    # From logits: the logarithm of a probability that rounds to 0 is infinite.
    probability = logits.sigmoid()
    positive = probability * functional.logsigmoid(logits)
    negative = (1 - probability) * functional.logsigmoid(-logits)
    return -(positive + negative)
