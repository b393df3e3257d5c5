"""An expectation over the allowed answers: in the range of their values, or an abstention."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roborew.errors import InvalidInputError
from roborew.judges.parsing import Abstention, expected_value, log_odds

LOG_PROBS = st.dictionaries(
    st.sampled_from("ABCDE"), st.floats() | st.floats(-5.0, 0.1), max_size=5
)


@settings(max_examples=300, deadline=None)
@given(LOG_PROBS)
def test_an_expectation_stays_in_the_range_of_its_values_or_abstains(
    log_probs: dict[str, float],
) -> None:
    values = {"A": -1.0, "B": 0.25, "C": 3.0}
    mean = expected_value(log_probs, values)
    assert isinstance(mean, Abstention) or -1.0 <= mean <= 3.0
    odds = log_odds(log_probs, "A", "B")
    assert isinstance(odds, Abstention) or math.isfinite(odds)


def test_an_expectation_is_the_renormalised_mean_in_float64() -> None:
    """Hand values: P(A) = 0.2, P(B) = 0.3 of 0.5 together, so the mean of 0 and 1 is 0.6."""
    log_probs = {"A": math.log(0.2), "B": math.log(0.3), "C": math.log(0.5)}
    assert expected_value(log_probs, {"A": 0.0, "B": 1.0}) == pytest.approx(0.6, abs=1e-12)
    assert log_odds(log_probs, "B", "A") == pytest.approx(math.log(1.5), abs=1e-12)
    assert expected_value({**log_probs, "A": -math.inf}, {"A": 0.0, "B": 1.0}) == 1.0


@pytest.mark.parametrize(
    ("log_probs", "reason"),
    [
        ({}, "no probability for an allowed answer"),
        ({"A": -0.1}, "no probability for an allowed answer"),
        ({"A": math.nan, "B": -0.1}, "not a log-probability"),
        ({"A": 0.5, "B": -0.1}, "not a log-probability"),
        ({"A": math.inf, "B": -0.1}, "not a log-probability"),
        ({"A": -0.1, "B": -0.1}, "probabilities add up to more than one"),
        ({"A": -3.0, "B": -4.0}, "the allowed answers are improbable"),
        ({"A": -math.inf, "B": -math.inf}, "the allowed answers are improbable"),
    ],
)
def test_probabilities_that_cannot_be_trusted_make_an_abstention(
    log_probs: dict[str, float], reason: str
) -> None:
    for reading in (expected_value(log_probs, {"A": 0.0, "B": 1.0}), log_odds(log_probs, "A", "B")):
        assert isinstance(reading, Abstention) and reading.reason == reason


@pytest.mark.parametrize(
    "values", [{}, {"A": math.nan}, {"1": 0.1, "10": 1.0}, {"A": math.inf, "B": 0.0}]
)
def test_values_that_make_no_scale_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(InvalidInputError):
        expected_value(dict.fromkeys(values, -1.0), values)
