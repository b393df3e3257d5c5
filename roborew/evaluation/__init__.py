"""What judges: metrics, nulls, statistics, rollouts, overlays and the report. Only a true number
may judge."""

from roborew.evaluation.baselines import Clock, Doctored, NullRow, null_table, score_with_nulls
from roborew.evaluation.episodes import Episode, Evaluation
from roborew.evaluation.figures import TrainingPoint, curves_figure, truth_figure
from roborew.evaluation.grounding import Confusion, Grounding, confusion, gain, task_grounding
from roborew.evaluation.measure import Measure, average, score_curve
from roborew.evaluation.ordering import (
    average_ranks,
    cycle_voc,
    kendall_tau_a,
    monotone_violation_rate,
    pearson,
    spearman,
    total_variation_ratio,
    voc,
    voc_pearson,
)
from roborew.evaluation.overlay import Story, film, overlaid, score_range, tell
from roborew.evaluation.report import Film, ReportContent, VerdictRow, render_report, write_report
from roborew.evaluation.rollouts import Policy, Recording, Watch, evaluate, record
from roborew.evaluation.statistics import (
    Interval,
    interquartile_mean,
    probability_of_improvement,
    stratified_bootstrap,
    wilson,
    zero_failures_bound,
)
from roborew.evaluation.success import (
    auroc,
    brier,
    expected_calibration_error,
    false_claim_rate,
    initial_value,
    strict_success_accuracy,
    terminal_value,
)

__all__ = [
    "Clock",
    "Confusion",
    "Doctored",
    "Episode",
    "Evaluation",
    "Film",
    "Grounding",
    "Interval",
    "Measure",
    "NullRow",
    "Policy",
    "Recording",
    "ReportContent",
    "Story",
    "TrainingPoint",
    "VerdictRow",
    "Watch",
    "auroc",
    "average",
    "average_ranks",
    "brier",
    "confusion",
    "curves_figure",
    "cycle_voc",
    "evaluate",
    "expected_calibration_error",
    "false_claim_rate",
    "film",
    "gain",
    "initial_value",
    "interquartile_mean",
    "kendall_tau_a",
    "monotone_violation_rate",
    "null_table",
    "overlaid",
    "pearson",
    "probability_of_improvement",
    "record",
    "render_report",
    "score_curve",
    "score_range",
    "score_with_nulls",
    "spearman",
    "stratified_bootstrap",
    "strict_success_accuracy",
    "task_grounding",
    "tell",
    "terminal_value",
    "total_variation_ratio",
    "truth_figure",
    "voc",
    "voc_pearson",
    "wilson",
    "write_report",
    "zero_failures_bound",
]
