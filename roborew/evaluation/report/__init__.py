"""One HTML file that shows how a run went: no script, no network, nothing beside it."""

from roborew.evaluation.report.content import PolicyResult, ReportContent, ReportVideo
from roborew.evaluation.report.figures import TrainingPoint, curves_figure, truth_figure
from roborew.evaluation.report.page import render_report, write_report

__all__ = [
    "PolicyResult",
    "ReportContent",
    "ReportVideo",
    "TrainingPoint",
    "curves_figure",
    "render_report",
    "truth_figure",
    "write_report",
]
