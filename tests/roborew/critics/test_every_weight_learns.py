"""No weight is left behind: none sits where no gradient reaches it, and none is weighed out
again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from roborew.checks.synthetic import OPEN, PUSH, TEXT_EMBEDDINGS, embedded_episodes, progress_curve
from roborew.critics.dataset.window_pairs import WindowBatch
from roborew.critics.ensemble import make_objective
from roborew.critics.objectives.robometer import RobometerNetwork
from roborew.critics.torch_objective import TorchObjective
from roborew.encoders.conv import ConvEncoder
from roborew.learning.examples import EpisodeFrames
from roborew.learning.optim import GradientDescent
from roborew.registry import critics

LEARNED = [name for name in sorted(critics) if issubclass(critics.load(name), TorchObjective)]
ALIGNED = {"temporal_ot": ("aligned=true",)}


class Watched(GradientDescent):
    """Remembers which of its parameters had a gradient in any step, and what they were."""

    made: list[Watched]

    def __init__(self, parameters: Any, *arguments: Any, **settings: Any) -> None:
        self.parameters = list(parameters)
        self.before = [parameter.detach().clone() for parameter in self.parameters]
        self.reached = [False for _ in self.parameters]
        super().__init__(self.parameters, *arguments, **settings)
        Watched.made.append(self)

    def step(self, loss: torch.Tensor) -> float:
        value = super().step(loss)
        gradients = [parameter.grad for parameter in self.parameters]
        self.reached = [
            r or (g is not None and bool((g != 0).any()))
            for r, g in zip(self.reached, gradients, strict=True)
        ]
        return value

    def left_behind(self) -> list[int]:
        """Parameters without a gradient, or as they were."""
        pairs = zip(self.parameters, self.before, self.reached, strict=True)
        return [
            row
            for row, (now, before, reached) in enumerate(pairs)
            if not reached or torch.equal(now, before)
        ]


@pytest.fixture(autouse=True)
def watched(monkeypatch: pytest.MonkeyPatch) -> None:
    Watched.made = []
    for module in ("critics.torch_objective", "encoders.conv"):
        monkeypatch.setattr(f"roborew.{module}.GradientDescent", Watched)


@pytest.mark.parametrize("name", LEARNED)
def test_every_weight_of_an_objective_gets_a_gradient_and_changes(name: str) -> None:
    objective = make_objective(name, ("seed=0", "steps=6", *ALIGNED.get(name, ())))
    assert isinstance(objective, TorchObjective)
    objective.fit(
        embedded_episodes(2, instructions=(PUSH, OPEN), length=10), [], lambda what, value: None
    )
    (descent,) = Watched.made
    assert {id(p) for p in descent.parameters} == {id(p) for p in objective.network.parameters()}, (
        "all are fitted"
    )
    names = [key for key, _ in objective.network.named_parameters()]
    assert not [names[row] for row in descent.left_behind()]


def test_every_weight_of_the_encoder_gets_a_gradient_and_changes() -> None:
    rng = np.random.default_rng(0)
    footage = [
        EpisodeFrames(
            frames=rng.integers(0, 256, (6, 24, 32, 3), np.uint8),
            text_embedding=TEXTS_WIDE[sentence],
            progress=progress_curve("success", 6),
            success=progress_curve("success", 6) >= 1,
        )
        for sentence in (PUSH, OPEN)
    ]
    encoder = ConvEncoder(steps=3, batch_size=8)
    shipped = {name: array.copy() for name, array in encoder.state_dict().items()}
    encoder.learn(footage, lambda what, value: None)
    (descent,) = Watched.made
    assert not descent.left_behind()
    learned = encoder.state_dict()
    assert all((learned[name] != array).any() for name, array in shipped.items()), (
        "all that is kept has learned"
    )


TEXTS_WIDE = {sentence: np.pad(text, (0, 56)) for sentence, text in TEXT_EMBEDDINGS.items()}


def test_no_loss_divides_its_own_weights_out_again() -> None:
    """Each part of the loss is a mean over what is known: of one label in a batch of many, as of
    one alone."""
    torch.manual_seed(0)
    network = RobometerNetwork(6, 4, 8, 1, 5)
    vectors: torch.Tensor = torch.randn(4, 3, 8)
    labels = np.full((4, 3), np.nan, np.float32)
    labels[2, 1] = 0.7

    def loss(rows: slice, progress: np.ndarray, success: np.ndarray) -> torch.Tensor:
        count = len(progress)
        shown = WindowBatch(
            np.zeros((count, 3), np.int64), progress, success, np.zeros(count, np.int64)
        )
        return network.loss(vectors[rows], torch.zeros(count), shown, shown)

    nothing = np.full_like(labels, np.nan)
    for known in ((labels, nothing), (nothing, (labels > 0.5).astype(np.float32) + 0 * labels)):
        many, alone = loss(slice(None), *known), loss(slice(2, 3), *(each[2:3] for each in known))
        torch.testing.assert_close(many, alone)
    flags = np.zeros((4, 3), np.float32)
    flags[0] = 1
    rare = loss(slice(None), nothing, flags)
    claims = nn.functional.binary_cross_entropy_with_logits(
        network.success(vectors)[..., 0], torch.as_tensor(flags)
    )
    torch.testing.assert_close(rare, claims)
