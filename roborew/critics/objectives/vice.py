"""An ensemble that tells frames of the goal from all others; its logit is the score.

After VICE (arXiv:1805.11686: mixup, and what the agent visits as negatives), RoboFuME
(arXiv:2310.15145: failures as negatives, success as the claim) and LfVoid (arXiv:2307.07837: an
ensemble, goal pictures that may be drawn or edited).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from roborew.critics.dataset.goal_frames import GoalSampler
from roborew.critics.torch_objective import PerFrameObjective
from roborew.errors import InvalidInputError
from roborew.learning.examples import Example, Report
from roborew.types import RewardSpec

MAX_LOGIT = 10.0
"""Logits are clipped here: beyond, a sigmoid is 0 or 1 to four digits."""


class Vice(PerFrameObjective["ClassifierEnsemble"]):
    """``L = BCE(f(lambda x + (1 - lambda) x'), lambda y + (1 - lambda) y')`` with ``lambda ~
    Beta(mixup_alpha, mixup_alpha)``, y = 1 for frames x of the goal, the mean over the members.

    The score is ``mean(logits) - pessimism_coef std(logits)`` over the members (LfVoid; the event's
    log-odds of VICE, section 5). Goals are the frames where success is labeled and every goal
    picture that an episode brings; all else whose label is known is a negative, and so is a goal
    under the sentence of another task, or under a wrong one.

    Args:
        seed: random seed of the weights and the sampling order; each member has weights and an
            order of its own.
        steps: gradient steps.
        batch_size: frames a step and member, half of them goals.
        ensemble_size: number of classifiers.
        hidden_dim: width of each member.
        mixup_alpha: parameter of the Beta distribution by which pairs of frames are mixed; 0 mixes
            none.
        pessimism_coef: standard deviations of the members' logits that are taken off their mean.
        success_threshold: labeled progress from which the goal holds, where success is not told of each
            frame.
    """

    spec: ClassVar[RewardSpec] = RewardSpec(
        name="vice",
        low=-MAX_LOGIT,
        high=MAX_LOGIT,
        context=1,
        causal=True,
        needs_goal_image=False,
        predicts_success=True,
        learns_goal_images=True,
        paper="VICE, arXiv:1805.11686; RoboFuME, arXiv:2310.15145; LfVoid, arXiv:2307.07837",
    )
    RENAMED: ClassVar[Mapping[str, str]] = {
        "batch": "batch_size",
        "members": "ensemble_size",
        "width": "hidden_dim",
        "mixup": "mixup_alpha",
        "pessimism": "pessimism_coef",
        "done": "success_threshold",
    }

    def __init__(
        self,
        *,
        seed: int = 0,
        steps: int = 300,
        batch_size: int = 128,
        ensemble_size: int = 3,
        hidden_dim: int = 64,
        mixup_alpha: float = 0.2,
        pessimism_coef: float = 0.0,
        success_threshold: float = 0.95,
    ) -> None:
        super().__init__("vice", seed, steps)
        if batch_size < 2 or ensemble_size < 1 or hidden_dim < 1:
            raise InvalidInputError(
                "vice: expected batch_size >= 2, ensemble_size and hidden_dim >= 1; "
                f"got {batch_size}, {ensemble_size} and {hidden_dim}."
            )
        if not (0 <= mixup_alpha < np.inf and 0 <= pessimism_coef < np.inf):
            raise InvalidInputError(
                "vice: expected mixup_alpha and pessimism_coef of at least 0; "
                f"got {mixup_alpha} and {pessimism_coef}."
            )
        if not 0 < success_threshold <= 1:
            raise InvalidInputError(
                f"vice: expected success_threshold in (0, 1]; got {success_threshold}."
            )

        self._batch_size = batch_size
        self._ensemble_size = ensemble_size
        self._hidden_dim = hidden_dim
        self._mixup_alpha = mixup_alpha
        self._pessimism_coef = pessimism_coef
        self._success_threshold = success_threshold

    def build(self, feature_dim: int, text_dim: int) -> ClassifierEnsemble:
        """The members for frames (D,) and sentences (E,), untrained."""
        return ClassifierEnsemble(feature_dim, text_dim, self._hidden_dim, self._ensemble_size)

    def fit(
        self, examples: Sequence[Example], validation: Sequence[Example], report: Report
    ) -> None:
        """Learn goals from the rest. The mean logit on goals of the validation episodes is
        reported."""
        self.refit(examples, [], report)

        held_out = GoalSampler(validation, [], self._success_threshold)
        if len(held_out.goals) == 0:
            return

        own_sentence = held_out.episode[held_out.goals]
        frames = held_out.frames[held_out.goals]
        logits = self.network(frames, held_out.text[own_sentence])
        report("logit on held-out goals", float(logits.detach().mean()))

    def refit(
        self, examples: Sequence[Example], visited: Sequence[Example], report: Report
    ) -> None:
        """Learn anew with the frames that an agent visited as further negatives, whatever they show
        (VICE)."""
        sampler = GoalSampler(examples, visited, self._success_threshold)
        num_goals = len(sampler.goals)
        num_negatives = sum(map(len, sampler.negatives))
        if num_goals == 0 or num_negatives == 0:
            raise InvalidInputError(
                f"vice: expected frames of the goal and others; got {num_goals} frames of the goal "
                f"and {num_negatives} others. Give a success or a goal picture, and what is none."
            )

        self.minimize(examples, lambda rng: self._loss(sampler, rng), report)

    def predict(self, frames: Tensor, text: Tensor, goal: Tensor) -> tuple[Tensor, Tensor | None]:
        """Mean logits, less the members' disagreement, and mean probabilities."""
        logits = self.network(frames, text)
        # Over all members, not a sample of them.
        disagreement = logits.std(0, correction=0)
        value = logits.mean(0) - self._pessimism_coef * disagreement

        success = logits.sigmoid().mean(0)
        return value.clamp(-MAX_LOGIT, MAX_LOGIT), success

    def _loss(self, sampler: GoalSampler, rng: np.random.Generator) -> Tensor:
        total = torch.zeros(())
        for member in range(self._ensemble_size):
            # Each member draws a batch of its own: on one batch they would come to agree.
            frame_rows, text_rows, labels = sampler.sample(rng, self._batch_size)
            partner = torch.as_tensor(rng.permutation(self._batch_size))
            share = self._sample_mixup(rng)

            frames = _mixup(sampler.frames[frame_rows], partner, share)
            text = _mixup(sampler.text[text_rows], partner, share)
            targets = _mixup(labels, partner, share)

            logits = self.network.member_logits(member, frames, text)
            loss = functional.binary_cross_entropy_with_logits(logits, targets[:, 0])
            total = total + loss

        return total / self._ensemble_size

    def _sample_mixup(self, rng: np.random.Generator) -> Tensor:
        """Shares (B, 1) of the first of two mixed frames."""
        size = (self._batch_size, 1)
        alpha = self._mixup_alpha
        if alpha == 0:
            return torch.ones(size)

        share = rng.beta(alpha, alpha, size)
        return torch.as_tensor(share, dtype=torch.float32)


class ClassifierEnsemble(nn.Module):
    """Small networks that do not know of each other. The sentence says which parts of a frame
    count."""

    def __init__(
        self, feature_dim: int, text_dim: int, hidden_dim: int, ensemble_size: int
    ) -> None:
        super().__init__()
        members = range(ensemble_size)
        self.frame = nn.ModuleList(nn.Linear(feature_dim, hidden_dim) for _ in members)
        self.sentence = nn.ModuleList(nn.Linear(text_dim, hidden_dim) for _ in members)

        self.answer = nn.ModuleList()
        for _ in members:
            head = nn.Sequential(nn.GELU(), nn.Linear(hidden_dim, 1))
            self.answer.append(head)

    def member_logits(self, member: int, frames: Tensor, text: Tensor) -> Tensor:
        """Logits (N,) of one of them."""
        # Around 1, so that an untrained sentence leaves the frame as it is.
        gate = 1 + self.sentence[member](text)
        gated = self.frame[member](frames) * gate
        return self.answer[member](gated)[:, 0]

    def forward(self, frames: Tensor, text: Tensor) -> Tensor:
        """Logits (members, N)."""
        logits: list[Tensor] = []
        for member in range(len(self.answer)):
            logits.append(self.member_logits(member, frames, text))
        return torch.stack(logits)


def _mixup(rows: Tensor, partner: Tensor, share: Tensor) -> Tensor:
    """Each row (B, ...) mixed with its partner by its share (B, 1)."""
    return share * rows + (1 - share) * rows[partner]
