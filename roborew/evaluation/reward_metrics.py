"""How well a learned reward follows the truth, and how two rewards agree, by named metrics.

Definitions and conventions are those of `ordering`, `success` and `grounding`. Metrics that
presuppose a success (VOC, monotone violations, total variation) are over true successes alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from roborew.evaluation.episodes import Episode, Evaluation
from roborew.evaluation.grounding import gain, task_grounding
from roborew.evaluation.measure import TOO_FEW, Measure, average, score_curve
from roborew.evaluation.ordering import (
    cycle_voc,
    kendall_tau_a,
    monotone_violation_rate,
    spearman,
    total_variation_ratio,
    voc,
    voc_pearson,
)
from roborew.evaluation.success import (
    auroc,
    brier,
    expected_calibration_error,
    strict_success_accuracy,
    terminal_value,
)
from roborew.types import BoolArray, Scores

LABELS = {
    "spearman_per_episode": "Spearman (per episode)",
    "spearman_pooled": "Spearman (pooled)",
    "kendall_tau_a": "Kendall tau-a (per episode)",
    "voc": "VOC",
    "voc_pearson": "VOC (Pearson)",
    "cycle_voc": "Cycle-VOC",
    "monotone_violation_rate": "monotone violations",
    "total_variation_ratio": "total variation ratio",
    "success_auroc": "success AUROC",
    "strict_success_accuracy": "strict success accuracy",
    "brier": "Brier",
    "expected_calibration_error": "ECE",
    "task_grounding_accuracy": "task grounding (TGA)",
    "task_grounding_pairwise": "task grounding (pairwise)",
}
"""Key of ``summary.json`` to the metric's name in tables."""

CURVE_METRICS: dict[str, Callable[[ArrayLike], Measure]] = {
    "voc": voc,
    "voc_pearson": voc_pearson,
    "monotone_violation_rate": monotone_violation_rate,
    "total_variation_ratio": total_variation_ratio,
}
"""What a curve of a success tells by itself, without any truth beside it."""


def curve_metrics(curves: Sequence[ArrayLike]) -> dict[str, Measure]:
    """Means over curves of successes, each of shape (T,), NaN where the model abstained."""
    return {name: average(map(metric, curves)) for name, metric in CURVE_METRICS.items()}


def truth_metrics(evaluation: Evaluation) -> dict[str, Measure]:
    """The scores of evaluated episodes against their true progress and success."""
    episodes = evaluation.episodes
    successes = [episode.score_curve for episode in episodes if episode.success_at_end]
    success_ends = _final_scores(episodes, success=True)
    failure_ends = _final_scores(episodes, success=False)
    all_scores = np.concatenate([episode.score_curve for episode in episodes])
    all_progress = np.concatenate([episode.scored_progress for episode in episodes])
    return {
        "spearman_per_episode": evaluation.spearman_per_episode,
        # Pooled, levels of different episodes must agree too: per episode an offset is free.
        "spearman_pooled": spearman(all_scores, all_progress),
        "kendall_tau_a": average(
            kendall_tau_a(episode.scored_progress, episode.score_curve) for episode in episodes
        ),
        **curve_metrics(successes),
        "success_auroc": auroc(success_ends, failure_ends),
        "strict_success_accuracy": strict_success_accuracy(success_ends, failure_ends),
    }


def _final_scores(episodes: Iterable[Episode], success: bool) -> list[float]:
    ends = [terminal_value(e.score_curve) for e in episodes if e.success_at_end is success]
    return [end.value for end in ends if end.value is not None]


def calibration_metrics(
    scores: Sequence[Scores], successes: Sequence[BoolArray]
) -> dict[str, Measure]:
    """Brier score and ECE of the predicted success of every frame.

    Args:
        scores: of each clip.
        successes: the truth at each frame of each clip, shape (T,).
    """
    probabilities: list[NDArray[np.float64]] = []
    outcomes: list[BoolArray] = []
    for clip_scores, clip_successes in zip(scores, successes, strict=True):
        if clip_scores.success is not None:
            # Where the model abstained from a score, it predicts nothing either.
            probabilities.append(np.where(clip_scores.valid, clip_scores.success, np.nan))
            outcomes.append(clip_successes)
    if not probabilities:
        missing = Measure(None, TOO_FEW)
        return {"brier": missing, "expected_calibration_error": missing}
    pairs = np.concatenate(probabilities), np.concatenate(outcomes)
    return {
        "brier": brier(*pairs),
        "expected_calibration_error": expected_calibration_error(*pairs),
    }


def grounding_metrics(right: Sequence[Scores], wrong: Sequence[Scores]) -> dict[str, Measure]:
    """Task grounding of clips under their instruction against the same clips under a wrong one.

    Clips without a gain under both are left out and counted.
    """
    right_gains = [gain(score_curve(scores)).value for scores in right]
    wrong_gains = [gain(score_curve(scores)).value for scores in wrong]
    pairs = [
        (right_gain, wrong_gain)
        for right_gain, wrong_gain in zip(right_gains, wrong_gains, strict=True)
        if right_gain is not None and wrong_gain is not None
    ]
    failed = len(right) - len(pairs)
    if not pairs:
        missing = Measure(None, TOO_FEW, failed)
        return {"task_grounding_accuracy": missing, "task_grounding_pairwise": missing}
    gains = np.array(pairs)
    grounding = task_grounding(gains[:, 0], gains[:, 1:])
    return {
        "task_grounding_accuracy": Measure(grounding.accuracy, "", failed),
        "task_grounding_pairwise": Measure(grounding.pairwise, "", failed),
    }


def cycle_metrics(scores: Sequence[Scores]) -> dict[str, Measure]:
    """Mean Cycle-VOC of clips played forward and back, see `forward_and_reversed`."""
    return {"cycle_voc": average(cycle_voc(score_curve(clip_scores)) for clip_scores in scores)}


def agreement(first: Sequence[ArrayLike], second: Sequence[ArrayLike]) -> dict[str, Measure]:
    """Mean rank correlations of two rewards' curves of the same frames of the same videos."""
    pairs = list(zip(first, second, strict=True))
    return {
        "spearman": average(spearman(*pair) for pair in pairs),
        "kendall_tau_a": average(kendall_tau_a(*pair) for pair in pairs),
    }
