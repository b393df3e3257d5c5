"""What judges: metrics, nulls, statistics, rollouts, overlays and the report. Only a true number
may judge."""

from roborew.evaluation.baselines import (
    Clock,
    SanityBaseline,
    TransformClips,
    sanity_table,
    score_with_sanity_baselines,
)
from roborew.evaluation.episodes import Episode, Evaluation
from roborew.evaluation.figures import TrainingPoint, curves_figure, truth_figure
from roborew.evaluation.grounding import (
    Grounding,
    InstructionConfusion,
    confusion,
    gain,
    task_grounding,
)
from roborew.evaluation.measure import Measure, average, score_curve
from roborew.evaluation.monitor import RewardMonitor
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
from roborew.evaluation.overlay import (
    Overlay,
    draw_overlay,
    recording_overlay,
    score_range,
    write_overlay_video,
)
from roborew.evaluation.report import (
    PolicyResult,
    ReportContent,
    ReportVideo,
    render_report,
    write_report,
)
from roborew.evaluation.rollouts import Policy, Recording, evaluate, record
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
    false_success_rate,
    initial_value,
    strict_success_accuracy,
    terminal_value,
)

__all__ = [
    "Clock",
    "Episode",
    "Evaluation",
    "Grounding",
    "InstructionConfusion",
    "Interval",
    "Measure",
    "Overlay",
    "Policy",
    "PolicyResult",
    "Recording",
    "ReportContent",
    "ReportVideo",
    "RewardMonitor",
    "SanityBaseline",
    "TrainingPoint",
    "TransformClips",
    "auroc",
    "average",
    "average_ranks",
    "brier",
    "confusion",
    "curves_figure",
    "cycle_voc",
    "draw_overlay",
    "evaluate",
    "expected_calibration_error",
    "false_success_rate",
    "gain",
    "initial_value",
    "interquartile_mean",
    "kendall_tau_a",
    "monotone_violation_rate",
    "pearson",
    "probability_of_improvement",
    "record",
    "recording_overlay",
    "render_report",
    "sanity_table",
    "score_curve",
    "score_range",
    "score_with_sanity_baselines",
    "spearman",
    "stratified_bootstrap",
    "strict_success_accuracy",
    "task_grounding",
    "terminal_value",
    "total_variation_ratio",
    "truth_figure",
    "voc",
    "voc_pearson",
    "wilson",
    "write_overlay_video",
    "write_report",
    "zero_failures_bound",
]
