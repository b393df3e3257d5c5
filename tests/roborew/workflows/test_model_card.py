"""What the card of a critic says of one that does not tell success from failure."""

from __future__ import annotations

import pytest

from roborew.evaluation import Measure
from roborew.workflows.fit.model_card import LEAST_AUROC, describe_weakness
from roborew.workflows.parts import EncoderConfig


def table(auroc: float | None, clock: float = 0.5) -> dict[str, dict[str, Measure]]:
    return {
        "robometer": {"success AUROC": Measure(auroc)},
        "clock": {"success AUROC": Measure(clock)},
    }


@pytest.mark.parametrize(
    ("encoder", "longer"),
    [
        (EncoderConfig("conv"), False),
        (EncoderConfig("conv", {"steps": 500}), True),
        (EncoderConfig("mini"), False),
    ],
)
def test_a_critic_that_does_not_tell_success_is_said_to_and_what_to_do(
    encoder: EncoderConfig, longer: bool
) -> None:
    words = describe_weakness(table(0.634), encoder)
    assert words is not None and "63% of all pairs" in words and "more films" in words
    # Only an encoder that learned for less than it does by default.
    assert ("--encoder.steps 3000" in words) == longer


@pytest.mark.parametrize("auroc", [1.0, LEAST_AUROC, None])
def test_of_one_that_does_and_where_nobody_knows_nothing_is_said(auroc: float | None) -> None:
    assert describe_weakness(table(auroc), EncoderConfig("conv")) is None
    assert describe_weakness({}, EncoderConfig("conv")) is None
