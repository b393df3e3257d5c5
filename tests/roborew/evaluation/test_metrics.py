"""Golden values of the reference and the laws that a metric keeps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roborew.errors import InvalidInputError
from roborew.evaluation import (
    Measure,
    auroc,
    average,
    brier,
    confusion,
    cycle_voc,
    expected_calibration_error,
    false_success_rate,
    gain,
    initial_value,
    kendall_tau_a,
    monotone_violation_rate,
    pearson,
    spearman,
    strict_success_accuracy,
    task_grounding,
    terminal_value,
    total_variation_ratio,
    voc,
    voc_pearson,
)

RISING = [0, 0.2, 0.5, 0.4, 0.4, 0.8, 0.6, 1]
FALLING = [1, 0.7, 0.8, 0.4, 0.3, 0.3, 0.1, 0.2]
GOLD, PREDICTED = [0, 0, 1, 1, 2], [0.1, 0.3, 0.3, 0.8, 0.7]

unit = st.floats(0, 1, width=32)
curves = st.lists(st.integers(-20, 20).map(float), min_size=2, max_size=30)


def number(measure: Measure) -> float:
    assert measure.value is not None
    return measure.value


@pytest.mark.parametrize(
    ("measure", "expected"),
    [
        (voc(RISING), 0.898220),
        (voc_pearson(RISING), 0.907265),
        (cycle_voc(RISING + FALLING[1:]), 0.922172),
        (spearman(FALLING, range(0, -8, -1)), 0.946125),
        (kendall_tau_a(GOLD, PREDICTED), 0.5),
        (spearman(GOLD, PREDICTED), 0.702959),
        (pearson(GOLD, PREDICTED), 0.745386),
        (monotone_violation_rate(RISING), 2 / 7),
        (total_variation_ratio(RISING), 0.625),
        (auroc([0.9, 0.6], [0.6, 0.2]), 0.875),
        (strict_success_accuracy([0.9, 0.6], [0.6, 0.2]), 0.75),
        (brier([0.1, 0.4, 0.8, 0.9], [0, 1, 1, 1]), 0.105),
        (expected_calibration_error([0.1, 0.4, 0.8, 0.9], [0, 1, 1, 1]), 0.25),
    ],
)
def test_a_metric_returns_the_golden_value(measure: Measure, expected: float) -> None:
    assert measure == Measure(pytest.approx(expected, abs=1e-6))


def test_the_golden_confusion_matrix_is_fully_grounded() -> None:
    matrix = confusion([[0.9, 0.2], [0.3, 0.8]])
    assert (matrix.margin, matrix.row_top1, matrix.column_top1) == (pytest.approx(0.6), 1, 1)


def test_ranks_are_of_the_values_and_not_of_their_argsort() -> None:
    """The argsort form of VOC falls back on chronological order at ties: .904762 here, and 1 for a
    constant."""
    assert number(voc(RISING)) != pytest.approx(0.904762, abs=1e-6)


@pytest.mark.parametrize("metric", [voc, voc_pearson, cycle_voc, total_variation_ratio])
def test_a_constant_curve_scores_zero_with_a_flag(metric) -> None:
    assert metric([0.3] * 7) == Measure(0.0, "constant")


@pytest.mark.parametrize("metric", [voc, cycle_voc, monotone_violation_rate, total_variation_ratio])
def test_one_valid_point_is_not_applicable_rather_than_zero(metric) -> None:
    assert metric([np.nan, 0.5, np.nan]) == Measure(None, "too few valid points", 2)


def test_an_abstention_is_left_out_and_counted() -> None:
    assert voc([0.0, np.nan, 0.1, np.inf, 0.9]) == Measure(pytest.approx(1.0), failed=2)
    assert auroc([np.nan, 0.9], [0.1]) == Measure(1.0, failed=1)
    assert brier([np.nan, 1.0], [1, 1]) == Measure(0.0, failed=1)


def test_without_a_failure_there_is_no_auroc() -> None:
    assert auroc([0.9], []).value is None
    assert strict_success_accuracy([], [0.1]).value is None
    assert false_success_rate([], []).value is None


@given(curves)
def test_reversing_a_curve_reverses_its_order_correlation(values: list[float]) -> None:
    assert number(voc(values[::-1])) == pytest.approx(-number(voc(values)))


@given(curves)
def test_order_correlation_sees_ranks_only(values: list[float]) -> None:
    assert number(voc(np.exp(np.asarray(values) / 10))) == pytest.approx(number(voc(values)))


@given(curves)
def test_a_clip_played_back_with_the_same_scores_has_the_order_correlation_of_its_forward_half(
    values: list[float],
) -> None:
    assert number(cycle_voc(values + values[-2::-1])) == pytest.approx(number(voc(values)))


def test_a_clock_wins_order_correlation_and_fails_the_cycle() -> None:
    """The reason for Cycle-VOC: a score that counts frames rises in both halves."""
    clock = np.arange(15)
    assert number(voc(clock)) == pytest.approx(1)
    assert number(cycle_voc(clock)) == pytest.approx(0)


@given(curves, curves)
def test_kendall_tau_is_symmetric_and_odd(first: list[float], second: list[float]) -> None:
    size = min(len(first), len(second))
    x, y = np.asarray(first[:size]), np.asarray(second[:size])
    assert number(kendall_tau_a(x, y)) == pytest.approx(number(kendall_tau_a(y, x)))
    assert number(kendall_tau_a(x, -y)) == pytest.approx(-number(kendall_tau_a(x, y)))


@given(curves)
def test_violations_and_ties_and_rises_share_all_steps(values: list[float]) -> None:
    falling, rising = (
        number(monotone_violation_rate(values)),
        number(monotone_violation_rate(values[::-1])),
    )
    ties = float((np.diff(values) == 0).mean())
    assert falling + rising + ties == pytest.approx(1)


@given(curves, curves)
def test_auroc_survives_any_rising_transform_of_the_scores(
    good: list[float], bad: list[float]
) -> None:
    cubed = auroc(np.asarray(good) ** 3 + 1, np.asarray(bad) ** 3 + 1)
    assert number(cubed) == pytest.approx(number(auroc(good, bad)))


@given(curves, curves)
def test_swapping_the_classes_mirrors_auroc_and_ties_make_the_strict_form_smaller(
    good: list[float], bad: list[float]
) -> None:
    forward, backward = number(auroc(good, bad)), number(auroc(bad, good))
    assert forward + backward == pytest.approx(1)
    assert number(strict_success_accuracy(good, bad)) <= forward


@given(st.lists(st.tuples(unit, st.booleans()), min_size=1, max_size=30), st.integers(1, 12))
def test_calibration_error_is_at_most_one_and_zero_for_the_truth_itself(
    claims: list[tuple[float, bool]], bins: int
) -> None:
    probabilities, outcomes = zip(*claims, strict=True)
    assert 0 <= number(expected_calibration_error(probabilities, outcomes, bins)) <= 1
    assert number(expected_calibration_error(outcomes, outcomes, bins)) == 0


def test_the_edges_of_a_clip_are_two_per_cent_of_it() -> None:
    values = np.arange(150, dtype=float)
    assert (number(initial_value(values)), number(terminal_value(values))) == (1, 148)
    assert number(gain(values)) == 147
    assert terminal_value([0.1, 0.7]) == Measure(0.7)
    assert gain([np.nan, 0.7]).value is None


def test_a_model_deaf_to_the_sentence_is_not_grounded() -> None:
    """Ties count as wrong: one number for every pair must not look like a perfect diagonal."""
    deaf = confusion(np.full((3, 3), 0.9))
    assert (deaf.margin, deaf.row_top1, deaf.column_top1) == (pytest.approx(0), 0, 0)
    grounding = task_grounding([0.5, 0.5], [[0.5], [0.5]])
    assert (grounding.accuracy, grounding.pairwise) == (0, 0.5)


def test_an_average_skips_what_is_not_applicable_and_counts_it() -> None:
    assert average([Measure(1.0), Measure(None, "too few valid points"), Measure(0.0)]) == Measure(
        0.5, failed=1
    )
    assert average([]).value is None


@pytest.mark.parametrize(
    "mistake",
    [
        lambda: voc([[0.1, 0.2]]),
        lambda: spearman([0.1, 0.2], [0.1]),
        lambda: cycle_voc([0.1, 0.2]),
        lambda: confusion([[0.1, 0.2]]),
        lambda: confusion([[0.1, np.nan], [0, 1]]),
        lambda: task_grounding([0.1], [0.2]),
        lambda: brier([1.5], [1]),
        lambda: brier([0.5], [0.5]),
        lambda: expected_calibration_error([0.5], [1], bins=0),
        lambda: false_success_rate([True], [True, False]),
    ],
)
def test_a_misshapen_input_is_refused(mistake) -> None:
    with pytest.raises(InvalidInputError, match=r"expected|got"):
        mistake()
