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
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from roborew.critics.torch_objective import PerFrameObjective
from roborew.errors import InvalidInputError
from roborew.learning.examples import Example, Report
from roborew.learning.instructions import InstructionSampler
from roborew.learning.labels import success_labels
from roborew.learning.sampling import Indices
from roborew.types import RewardSpec

LARGEST = 10.0
"""Logits are cut off here: beyond, a sigmoid is 0 or 1 to four digits."""


class Vice(PerFrameObjective["ClassifierEnsemble"]):
    """Goals are the frames where success is labelled and every goal picture that an episode brings;
    all else whose label is known is a negative, and so is a goal under the sentence of another
    task, or under a wrong one.

    Args:
        seed: of weights and order; each member has weights and an order of its own.
        steps: gradient steps.
        batch: frames a step and member, half of them goals.
        members: of the ensemble.
        width: of each member.
        mixup: parameter of the Beta distribution by which pairs of frames are mixed; 0 mixes none.
        pessimism: standard deviations of the members' logits that are taken off their mean.
        done: labelled progress from which the goal holds.
    """

    spec: ClassVar[RewardSpec] = RewardSpec(
        name="goal_classifier",
        low=-LARGEST,
        high=LARGEST,
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
        super().__init__("goal_classifier", seed, steps)
        if batch_size < 2 or ensemble_size < 1 or hidden_dim < 1:
            raise InvalidInputError(
                f"goal_classifier: expected batch >= 2, members and width >= 1; got {batch_size}, "
                f"{ensemble_size} and {hidden_dim}."
            )
        if not (
            0 <= mixup_alpha < np.inf
            and 0 <= pessimism_coef < np.inf
            and 0 < success_threshold <= 1
        ):
            raise InvalidInputError(
                "goal_classifier: expected mixup and pessimism of at least 0 and done in (0, 1]; "
                f"got {mixup_alpha}, {pessimism_coef} and {success_threshold}."
            )
        self._batch, self._members, self._width = batch_size, ensemble_size, hidden_dim
        self._mixup, self._pessimism, self._done = mixup_alpha, pessimism_coef, success_threshold

    def build(self, feature_dim: int, text_dim: int) -> ClassifierEnsemble:
        """The members for frames (D,) and sentences (E,), untrained."""
        return ClassifierEnsemble(feature_dim, text_dim, self._width, self._members)

    def fit(
        self, examples: Sequence[Example], validation: Sequence[Example], report: Report
    ) -> None:
        """Learn goals from the rest. The mean logit on goals of the validation episodes is
        reported."""
        self._learn(examples, [], report)
        held_out = _Shown(validation, [], self._done)
        if len(held_out.goals):
            logits = self.network(
                held_out.frames[held_out.goals], held_out.text[held_out.owner[held_out.goals]]
            )
            report("logit on held-out goals", float(logits.detach().mean()))

    def refit(
        self, examples: Sequence[Example], visited: Sequence[Example], report: Report
    ) -> None:
        """Learn anew with the frames that an agent visited as further negatives, whatever they show
        (VICE)."""
        self._learn(examples, visited, report)

    def predict(self, frames: Tensor, text: Tensor, goal: Tensor) -> tuple[Tensor, Tensor | None]:
        """Mean logits, less the members' disagreement, and mean probabilities."""
        logits = self.network(frames, text)
        value = logits.mean(0) - self._pessimism * logits.std(0, correction=0)
        return value.clamp(-LARGEST, LARGEST), logits.sigmoid().mean(0)

    def _learn(
        self, examples: Sequence[Example], visited: Sequence[Example], report: Report
    ) -> None:
        shown = _Shown(examples, visited, self._done)
        if not len(shown.goals) or not shown.others:
            raise InvalidInputError(
                f"goal_classifier: expected frames of the goal and others; got {len(shown.goals)} "
                f"frames of the goal "
                f"and {sum(map(len, shown.others))} others. Give a success or a goal picture, and "
                f"what is none."
            )
        self.minimize(examples, lambda rng: self._loss(shown, rng), report)

    def _loss(self, shown: _Shown, rng: np.random.Generator) -> Tensor:
        total = torch.zeros(())
        for member in range(self._members):
            rows, sentences, labels = shown.draw(rng, self._batch)
            order = torch.as_tensor(rng.permutation(len(rows)))
            share = torch.ones(len(rows), 1)
            if self._mixup > 0:
                share = torch.as_tensor(
                    rng.beta(self._mixup, self._mixup, (len(rows), 1)), dtype=torch.float32
                )
            frames, text, labels = (
                share * each + (1 - share) * each[order]
                for each in (shown.frames[rows], shown.text[sentences], labels)
            )
            logits = self.network.ask(member, frames, text)
            total = total + functional.binary_cross_entropy_with_logits(logits, labels[:, 0])
        return total / self._members


class _Shown:
    """Frames, which of them show the goal, and the episodes whose sentences they are shown
    under."""

    def __init__(
        self, examples: Sequence[Example], visited: Sequence[Example], done: float
    ) -> None:
        labels = [success_labels(example, done) for example in examples]
        episodes = [*examples, *visited]
        pictures = [at for at, example in enumerate(examples) if example.goal_embedding is not None]
        frames = [e.features for e in episodes] + [
            e.goal_embedding[None] for e in examples if e.goal_embedding is not None
        ]
        owner = [
            *np.repeat(np.arange(len(episodes)), [len(e.features) for e in episodes]).tolist(),
            *pictures,
        ]
        kinds = [np.where(np.isnan(label), -1, np.where(label == 1, 0, 1)) for label in labels]
        kinds += [np.full(len(e.features), 2) for e in visited] + [np.zeros(1) for _ in pictures]
        kind = np.concatenate([*kinds, np.zeros(0)])
        self.frames = torch.as_tensor(
            np.concatenate(frames) if frames else np.zeros((0, 0), np.float32)
        )
        self.owner = np.array(owner, np.int64)
        self._sentences = InstructionSampler(episodes)
        self.text = torch.as_tensor(self._sentences.embeddings)
        self.goals = np.nonzero(kind == 0)[0]
        self.others = [rows for number in (1, 2) if len(rows := np.nonzero(kind == number)[0])]
        misled = self.goals[
            self._sentences.sample_mismatched(np.random.default_rng(0), self.owner[self.goals]) >= 0
        ]
        self.others += [misled] if len(misled) else []
        self._misled = len(misled) > 0

    def draw(self, rng: np.random.Generator, count: int) -> tuple[Indices, Indices, Tensor]:
        """Frames, the first half goals and each kind of others as often as any other; rows of
        ``text``; labels (N, 1)."""
        rows = [rng.choice(self.goals, count // 2)]
        which = rng.integers(len(self.others), size=count - count // 2)
        rows += [
            rng.choice(group, int((which == number).sum()))
            for number, group in enumerate(self.others)
        ]
        labels: NDArray[np.float32] = np.zeros((count, 1), np.float32)
        labels[: count // 2] = 1
        chosen, kept = np.concatenate(rows), count - (len(rows[-1]) if self._misled else 0)
        right = self._sentences.sample_matching(rng, self.owner[chosen[:kept]])
        wrong = self._sentences.sample_mismatched(rng, self.owner[chosen[kept:]])
        return chosen, np.concatenate([right, wrong]), torch.as_tensor(labels)


class ClassifierEnsemble(nn.Module):
    """Small networks that do not know of each other. The sentence says which parts of a frame
    count."""

    def __init__(self, features: int, text: int, width: int, members: int) -> None:
        super().__init__()
        self.frame = nn.ModuleList(nn.Linear(features, width) for _ in range(members))
        self.sentence = nn.ModuleList(nn.Linear(text, width) for _ in range(members))
        self.answer = nn.ModuleList(
            nn.Sequential(nn.GELU(), nn.Linear(width, 1)) for _ in range(members)
        )

    def ask(self, member: int, frames: Tensor, text: Tensor) -> Tensor:
        """Logits (N,) of one of them."""
        weighed = self.frame[member](frames) * (1 + self.sentence[member](text))
        return self.answer[member](weighed)[:, 0]

    def forward(self, frames: Tensor, text: Tensor) -> Tensor:
        """Logits (members, N)."""
        return torch.stack([self.ask(member, frames, text) for member in range(len(self.answer))])
