"""A learned reward against the truth: the metrics are those of the definitions, over what they are
defined for."""

from __future__ import annotations

import numpy as np
import pytest

from roborew.evaluation import (
    LABELS,
    RewardMonitor,
    agreement,
    calibration_metrics,
    curve_metrics,
    cycle_metrics,
    evaluate,
    forward_and_reversed,
    grounding_metrics,
    truth_metrics,
)
from roborew.types import Clip, Scores
from tests.roborew.evaluation.stairs import Green, climb, stairs

GOLDEN = [0, 0.2, 0.5, 0.4, 0.4, 0.8, 0.6, 1]


def scores(values: list[float], success: list[float] | None = None) -> Scores:
    predicted = None if success is None else np.array(success, np.float32)
    return Scores(np.array(values, np.float32), np.ones(len(values), np.bool_), predicted)


def test_a_reward_that_reads_the_truth_has_perfect_metrics() -> None:
    monitor = RewardMonitor(model=Green(), instruction="climb the stairs", score_every=2)
    metrics = truth_metrics(evaluate(stairs(), climb, [0, 1, 2, 3], monitor=monitor))
    assert set(metrics) <= set(LABELS)
    for name in ("voc", "success_auroc", "strict_success_accuracy"):
        assert metrics[name].value == pytest.approx(1), name
    # The truth stands still at 1 while the score goes on rising: a tie, and no more.
    assert metrics["spearman_per_episode"].value == pytest.approx(1, abs=0.05)
    assert metrics["kendall_tau_a"].value == pytest.approx(1, abs=0.05)
    assert metrics["monotone_violation_rate"].value == 0
    assert metrics["total_variation_ratio"].value == pytest.approx(1)


def test_metrics_of_successes_are_missing_without_one_and_not_zero() -> None:
    monitor = RewardMonitor(model=Green(), instruction="climb the stairs", score_every=2)
    metrics = truth_metrics(evaluate(stairs(), climb, [1, 3], monitor=monitor))
    for name in ("voc", "voc_pearson", "monotone_violation_rate", "success_auroc"):
        assert metrics[name].value is None, name
    assert metrics["spearman_per_episode"].value == pytest.approx(1)


def test_without_scores_nothing_is_measured() -> None:
    metrics = truth_metrics(evaluate(stairs(), climb, [0, 1]))
    assert all(measure.value is None for measure in metrics.values())


def test_curve_metrics_are_the_golden_values() -> None:
    metrics = curve_metrics([GOLDEN])
    assert metrics["voc"].value == pytest.approx(0.898220, abs=1e-6)
    assert metrics["voc_pearson"].value == pytest.approx(0.907265, abs=1e-6)
    assert metrics["monotone_violation_rate"].value == pytest.approx(2 / 7)
    assert metrics["total_variation_ratio"].value == pytest.approx(0.625)


def test_calibration_leaves_out_what_was_not_predicted() -> None:
    sure = scores([0, 1], success=[0.0, 1.0])
    truth = np.array([False, True])
    perfect = calibration_metrics([sure], [truth])
    assert perfect["brier"].value == perfect["expected_calibration_error"].value == 0
    wrong = calibration_metrics([sure], [~truth])
    assert wrong["brier"].value == wrong["expected_calibration_error"].value == 1
    assert calibration_metrics([scores([0, 1])], [truth])["brier"].value is None


def test_a_reward_that_answers_every_sentence_alike_is_not_grounded() -> None:
    rising, flat = scores([0, 1]), scores([0, 0])
    assert grounding_metrics([rising], [flat])["task_grounding_accuracy"].value == 1
    alike = grounding_metrics([rising, flat], [rising, flat])
    assert alike["task_grounding_accuracy"].value == 0
    assert alike["task_grounding_pairwise"].value == 0.5


def test_a_cycle_goes_to_the_highest_progress_and_back() -> None:
    frames = np.arange(5, dtype=np.uint8)[:, None, None, None].repeat(3, axis=3)
    clip = Clip(frames=frames, instruction="climb")
    cycle = forward_and_reversed(clip, [0, 0.5, 1, 1, 0.2])
    assert cycle.frames[:, 0, 0, 0].tolist() == [0, 1, 2, 1, 0]
    assert cycle_metrics([scores([0, 1, 2, 1, 0])])["cycle_voc"].value == pytest.approx(1)
    single = forward_and_reversed(Clip(frames=frames[:1], instruction="climb"), [1.0])
    assert cycle_metrics([scores([0.0] * len(single.frames))])["cycle_voc"].value is None


def test_rewards_agree_where_they_rank_alike_whatever_their_unit() -> None:
    first = [np.array(GOLDEN), np.array([0.1, 0.3, 0.2])]
    scaled = [10 * curve - 3 for curve in first]
    assert agreement(first, scaled)["spearman"].value == pytest.approx(1)
    opposite = agreement(first, [-curve for curve in first])
    assert opposite["spearman"].value == pytest.approx(-1)
