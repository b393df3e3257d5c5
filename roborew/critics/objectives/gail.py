"""What tells the steps of successes from those of an agent or of failures: GAIL and AIRL from
observations.

GAIL (arXiv:1606.03476) and AIRL (arXiv:1710.11248) on pairs of successive frames, with the gradient
penalty, the spectral norm and the pessimistic preconditioning of Blondé et al. (arXiv:2006.16785).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

from roborew.critics.objective import Query
from roborew.critics.torch_objective import TorchObjective
from roborew.errors import InvalidInputError
from roborew.learning.examples import Example, Features, Report
from roborew.learning.packed_episodes import PackedEpisodes
from roborew.learning.sampling import Indices
from roborew.types import RecurrentState, RewardSpec, Scores

LARGEST = 10.0
"""Scores are cut off here."""
STEEP = 9.0
"""Slope of the learned step beyond which a score is discounted."""


class Gail(TorchObjective["Discriminator"]):
    """The score is ``-log(1 - D)`` in [0, 10], D being the probability that a step is a success's
    (GAIL), or the same of AIRL's part that depends on the new frame alone. The first frame is taken
    for a step from itself. Successes stand against failures; `refit` adds what an agent visited,
    which is what the method is for.

    Args:
        seed: of weights and order.
        steps: gradient steps.
        batch: steps of each side a gradient step.
        width: of the discriminator.
        form: "gail" or "airl".
        penalty: of slopes above 1 between successes and the others.
        spectral: bound every layer's slope by 1.
        entropy: weight of the entropy of D, which keeps it from being sure.
        discount: in AIRL's shaping term.
        pessimism: a score is multiplied by at least so much where a learned model of the step is
            steep; 1 for never.
    """

    spec: ClassVar[RewardSpec] = RewardSpec(
        name="adversarial",
        low=0.0,
        high=LARGEST,
        context=2,
        causal=True,
        needs_goal_image=False,
        predicts_success=False,
        paper="GAIL, arXiv:1606.03476; AIRL, arXiv:1710.11248; Blondé et al., arXiv:2006.16785",
        shaping="level",
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
        algorithm: str = "gail",
        gradient_penalty: float = 10.0,
        spectral_norm: bool = False,
        ent_coef: float = 0.001,
        gamma: float = 0.99,
        min_reward_scale: float = 1.0,
    ) -> None:
        super().__init__("adversarial", seed, steps)
        if algorithm not in ("gail", "airl"):
            raise InvalidInputError(
                f"adversarial: expected form 'gail' or 'airl'; got {algorithm!r}."
            )
        if (
            batch_size < 1
            or hidden_dim < 1
            or not (0 <= gradient_penalty < np.inf and 0 <= ent_coef < np.inf)
        ):
            raise InvalidInputError(
                "adversarial: expected batch and width >= 1, penalty and entropy of at least 0; "
                f"got {batch_size}, {hidden_dim}, {gradient_penalty} and {ent_coef}."
            )
        if not (0 < gamma <= 1 and 0 < min_reward_scale <= 1):
            raise InvalidInputError(
                f"adversarial: expected discount and pessimism in (0, 1]; got {gamma} and "
                f"{min_reward_scale}."
            )
        self._batch, self._width, self._form, self._penalty = (
            batch_size,
            hidden_dim,
            algorithm,
            gradient_penalty,
        )
        self._spectral, self._entropy, self._discount, self._pessimism = (
            spectral_norm,
            ent_coef,
            gamma,
            min_reward_scale,
        )

    def build(self, feature_dim: int, text_dim: int) -> Discriminator:
        """The discriminator for frames (D,) and sentences (E,), untrained."""
        return Discriminator(
            feature_dim, text_dim, self._width, self._form == "airl", self._spectral, self._discount
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
        episodes = [*examples, *visited]
        good = [number for number, example in enumerate(examples) if example.success is not False]
        bad = [number for number in range(len(episodes)) if number not in set(good)]
        if not good or not bad:
            raise InvalidInputError(
                "adversarial: expected successes, and failures or episodes of an agent to tell "
                "them from; "
                f"got {len(good)} and {len(bad)}."
            )
        stack = PackedEpisodes(episodes)
        self.minimize(episodes, lambda rng: self._loss(stack, good, bad, rng), report)
        owner = np.repeat(np.arange(len(stack.lengths)), stack.lengths)
        self.network.measure(stack.frames, stack.text[owner])

    def score_step(self, queries: Sequence[Query]) -> tuple[list[Scores], list[RecurrentState]]:
        """Score each frame by the step that leads to it; the last frame is remembered."""
        lengths = [len(query.features) for query in queries]
        before = np.concatenate([_before(query) for query in queries])
        frames = torch.as_tensor(np.concatenate([query.features for query in queries]))
        text = torch.as_tensor(
            np.repeat(np.stack([query.text_embedding for query in queries]), lengths, axis=0)
        )
        value = self._score(torch.as_tensor(before), frames, text)
        values = np.split(value.numpy(), np.cumsum(lengths)[:-1])
        memories: list[RecurrentState] = [
            {"frame": query.features[-1:].copy()} for query in queries
        ]
        return [Scores(each, np.ones(len(each), np.bool_)) for each in values], memories

    def _score(self, before: Tensor, frames: Tensor, text: Tensor) -> Tensor:
        with torch.no_grad():
            value = functional.softplus(self.network.reward(before, frames, text)).clamp(
                0.0, LARGEST
            )
        if self._pessimism < 1:
            steep = excess(self.network.step_slope(before, text))
            value = value * preconditioning(steep, float(self.network.steepness), self._pessimism)
        return value.detach()

    def _loss(
        self,
        stack: PackedEpisodes,
        successes: Sequence[int],
        others: Sequence[int],
        rng: np.random.Generator,
    ) -> Tensor:
        network = self.network
        good, bad = (drawn(stack, each, rng, self._batch) for each in (successes, others))
        logits = torch.cat([network(*good), network(*bad)])
        labels = torch.cat([torch.ones(len(good[0])), torch.zeros(len(bad[0]))])
        chance = logits.sigmoid()
        entropy = -(
            chance * functional.logsigmoid(logits) + (1 - chance) * functional.logsigmoid(-logits)
        ).mean()
        loss = functional.binary_cross_entropy_with_logits(logits, labels) - self._entropy * entropy
        if self._penalty:
            loss = loss + self._penalty * slope_penalty(network, good, bad, rng)
        moved = network.step(torch.cat([torch.cat([x[0], x[2]], dim=1) for x in (good, bad)]))
        return loss + functional.mse_loss(moved, torch.cat([good[1], bad[1]]))


class Discriminator(nn.Module):
    """Logits that a step is a success's; and, apart from it, a model of the step for
    `preconditioning`."""

    def __init__(
        self, features: int, text: int, width: int, airl: bool, spectral: bool, discount: float
    ) -> None:
        super().__init__()
        bound = spectral_norm if spectral else _as_it_is
        inputs = features + text if airl else 2 * features + text
        self.judge = _layers(inputs, width, 1, bound)
        self.shaping = _layers(features + text, width, 1, bound) if airl else None
        self.step = _layers(features + text, width, features, _as_it_is)
        self.discount = discount
        self.steepness: Tensor
        self.register_buffer("steepness", torch.ones(()))

    def forward(self, before: Tensor, after: Tensor, text: Tensor) -> Tensor:
        """Logits (N,) of steps (N, D) to (N, D) under sentences (N, E); AIRL adds the difference of
        its potentials."""
        value = self.reward(before, after, text)
        if self.shaping is None:
            return value
        potentials = [
            self.shaping(torch.cat([frames, text], dim=1))[:, 0] for frames in (before, after)
        ]
        return value + self.discount * potentials[1] - potentials[0]

    def reward(self, before: Tensor, after: Tensor, text: Tensor) -> Tensor:
        """What is paid: GAIL's logit, or AIRL's without its potentials, which reads the new frame
        alone."""
        frames = [after] if self.shaping is not None else [before, after]
        return self.judge(torch.cat([*frames, text], dim=1))[:, 0]

    def step_slope(self, before: Tensor, text: Tensor) -> Tensor:
        """Norm (Frobenius) of the Jacobian of the next frame by the frame, (N,): how steep a step
        is.

        Of two layers W, V with g the slopes of the activations between them, J = V diag(g) W, so
        that ``|J|^2 = g' (V'V * WW') g`` without any J.
        """
        first, last = cast("tuple[nn.Linear, nn.Linear]", (self.step[0], self.step[2]))
        with torch.no_grad():
            inside = first(torch.cat([before, text], dim=1))
            bell = (-inside.square() / 2).exp() / math.sqrt(2 * math.pi)
            slopes = (1 + torch.erf(inside / math.sqrt(2))) / 2 + inside * bell
            weights = first.weight[:, : before.shape[1]]
            both = (last.weight.T @ last.weight) * (weights @ weights.T)
            return ((slopes @ both) * slopes).sum(1).clamp(min=0.0).sqrt()

    def measure(self, frames: Tensor, text: Tensor) -> None:
        """Take how much the excess of steps from frames (N, D) differs, if any is steep."""
        spread = excess(self.step_slope(frames, text)).std(correction=0)
        self.steepness.copy_(spread if spread > 0 else torch.ones(()))


def slope_penalty(
    network: Discriminator,
    good: tuple[Tensor, ...],
    bad: tuple[Tensor, ...],
    rng: np.random.Generator,
) -> Tensor:
    """Mean squared excess over 1 of the discriminator's slope, on the way from successes' steps to
    the others'."""
    share = torch.as_tensor(rng.random((len(good[0]), 1)), dtype=torch.float32)
    mixed = [
        (share * one + (1 - share) * two).detach().requires_grad_(True)
        for one, two in zip(good, bad, strict=True)
    ]
    slopes = torch.autograd.grad(
        network(*mixed).sum(), mixed[:2], create_graph=True, allow_unused=True
    )
    squares = torch.stack(
        [slope.square().sum(1) for slope in slopes if cast(Any, slope) is not None]
    ).sum(0)
    return ((squares + 1e-12).sqrt() - 1).clamp(min=0.0).square().mean()


def excess(slope: Tensor) -> Tensor:
    """By how much steps of slopes (N,) are steeper than `STEEP`, squared."""
    return (slope - STEEP).clamp(min=0.0).square()


def preconditioning(steep: Tensor, spread: float, least: float) -> Tensor:
    """Factors in [least, 1] that fall where a step is too steep, as there a small error moves far:
    PURPLE's ``exp(-GP / std)``.

    Args:
        steep: `excess` of each step, shape (N,).
        spread: its standard deviation over the steps that were learned from.
        least: no factor is smaller.
    """
    return (-steep / spread).exp().clamp(min=least)


def drawn(
    stack: PackedEpisodes, episodes: Sequence[int], rng: np.random.Generator, count: int
) -> tuple[Tensor, ...]:
    """Steps of some episodes: frames before, frames after and sentences, each episode as likely as
    any other. The first frame counts as a step from itself."""
    chosen: Indices = rng.choice(np.array(episodes), count)
    after = rng.integers(0, stack.lengths[chosen])
    at = stack.starts[chosen]
    return stack.frames[at + np.maximum(after - 1, 0)], stack.frames[at + after], stack.text[chosen]


def _before(query: Query) -> Features:
    """The frame before each new one; the first of an episode stands before itself."""
    first = query.state.get("frame", query.features[:1])
    return np.concatenate([first, query.features[:-1]])


def _layers(inputs: int, width: int, outputs: int, bound: Any) -> nn.Sequential:
    return nn.Sequential(
        bound(nn.Linear(inputs, width)), nn.GELU(), bound(nn.Linear(width, outputs))
    )


def _as_it_is(layer: nn.Module) -> nn.Module:
    return layer
