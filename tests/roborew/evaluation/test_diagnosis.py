"""What held an agent back: told from its pay and from the truth, from the same starts, in pairs."""

from __future__ import annotations

import numpy as np
import pytest

from roborew.errors import InvalidInputError
from roborew.evaluation import Episode, Evaluation, diagnose
from roborew.evaluation.diagnosis import Limit

STARTS = 40


def episodes(
    pay: float | None,
    successes: int | None,
    *,
    true_return: float = 0.0,
    first_seed: int = 0,
    count: int = STARTS,
) -> Evaluation:
    """Episodes that are paid ``pay`` and what their start is worth, of which the first ``successes``
    succeed."""
    worth = np.random.default_rng(0).normal(0, 5, count)
    return Evaluation(
        episodes=tuple(
            Episode(
                seed=first_seed + number,
                true_return=true_return + worth[number],
                learned_return=None if pay is None else pay + worth[number],
                progress=(0.0,),
                success=None if successes is None else (number < successes,),
                score_steps=(),
                scores=(),
                predicted_success=(),
            )
            for number in range(count)
        )
    )


REFERENCE = episodes(pay=10, successes=20)


@pytest.mark.parametrize(
    ("pay", "successes", "limit"),
    [
        (12, 30, "taught"),
        (10, 30, "taught"),
        (8, 30, "taught"),
        (12, 20, "unmoved"),
        (10, 20, "unmoved"),
        (8, 20, "unmoved"),
        (12, 10, "exploited"),
        (10, 10, "blind"),
        (8, 10, "agent"),
    ],
)
def test_pay_and_truth_together_tell_the_limit(pay: float, successes: int, limit: Limit) -> None:
    diagnosis = diagnose(episodes(pay, successes), REFERENCE)
    assert diagnosis is not None and diagnosis.limit == limit
    # The starts differ by more than the policies do: only pairs can tell these apart.
    assert diagnosis.pay.mean == pytest.approx(pay - 10)
    assert diagnosis.truth.mean == pytest.approx((successes - 20) / STARTS)
    assert "a clone" in diagnosis.sentence("a clone")
    assert f"{pay - 10:+.3g}" in diagnosis.sentence("a clone")


def test_a_gain_turned_round_is_a_loss() -> None:
    there = diagnose(episodes(12, 10), REFERENCE)
    back = diagnose(REFERENCE, episodes(12, 10))
    assert there is not None and back is not None
    assert back.pay.mean == pytest.approx(-there.pay.mean)
    assert back.truth.interval.low == pytest.approx(-there.truth.interval.high)


def test_a_difference_within_chance_is_none() -> None:
    diagnosis = diagnose(episodes(10, 21), REFERENCE)
    assert diagnosis is not None and diagnosis.limit == "unmoved"
    assert diagnosis.truth.interval.low < 0 < diagnosis.truth.mean


def test_a_difference_that_is_certain_but_tiny_is_none() -> None:
    diagnosis = diagnose(episodes(10.5, 20, true_return=-0.5), REFERENCE)
    assert diagnosis is not None and diagnosis.limit == "unmoved"
    assert diagnosis.pay.interval.low > 0 and diagnosis.pay.sign == 0


def test_where_success_is_unknown_true_returns_tell() -> None:
    worse = diagnose(episodes(12, None, true_return=1), episodes(10, None, true_return=3))
    assert worse is not None and worse.limit == "exploited"
    assert worse.truth.mean == pytest.approx(-2) and worse.measured_by == "return"


def test_where_both_succeed_as_often_the_faster_one_does_better() -> None:
    faster = diagnose(episodes(12, STARTS, true_return=9), episodes(10, STARTS))
    assert faster is not None and faster.limit == "taught" and faster.measured_by == "return"
    # But a success counts before any return.
    rarer = diagnose(episodes(12, 10, true_return=9), REFERENCE)
    assert rarer is not None and rarer.limit == "exploited" and rarer.measured_by == "success"


@pytest.mark.parametrize(
    ("agent", "reference"),
    [
        (episodes(None, 10), episodes(None, 20)),
        (episodes(8, None, true_return=float("nan")), episodes(9, None)),
        (episodes(8, 1, count=1), episodes(9, 1, count=1)),
    ],
    ids=["nothing was scored", "no truth", "one episode"],
)
def test_what_cannot_be_told_is_not_told(agent: Evaluation, reference: Evaluation) -> None:
    assert diagnose(agent, reference) is None


def test_other_starts_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="same starts"):
        diagnose(episodes(8, 10, first_seed=1), REFERENCE)
