"""The report's figures as SVG, in colors that read on white and on black. Matplotlib is imported
on first use."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from numpy.typing import ArrayLike

from roborew.evaluation.episodes import Episode, Evaluation

# Matplotlib's annotations leave every keyword argument unknown; its objects stay inside this file.
Axes = Any
Figure = Any

SCORE = "#e0820c"
TRUTH = "#2590b8"
SUCCESS = "#2f9e5b"
GRAY = "#838b98"
MAX_POINTS = 3000
"""A scatter of more points is thinned evenly: the file stays small and the cloud looks the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingPoint:
    """How training stood after ``step`` environment steps; None where it was not known then."""

    step: int
    learned_return: float | None = None
    true_return: float | None = None
    true_success: float | None = None
    """Share of episodes that truly succeed, in [0, 1]."""


def returns_figure(training: Sequence[TrainingPoint]) -> str:
    """Learned return above true return over training; their units differ, so each has an axis of
    its own."""
    figure, axes = _axes(2, 1, width=4.2, height=3.4, sharex=True)
    for axis, name, color in zip(axes, ("learned", "true"), (SCORE, TRUTH), strict=True):
        values = [
            point.learned_return if name == "learned" else point.true_return for point in training
        ]
        _line(axis, training, values, color)
        axis.set_ylabel(f"{name} return", color=color)
    _steps(axes[-1])
    return _svg(figure)


def success_figure(
    training: Sequence[TrainingPoint], baselines: Sequence[tuple[str, float]] = ()
) -> str:
    """True success over training, with the final success of the baselines as lines."""
    figure, (axis,) = _axes(1, 1, width=4.2, height=3.4)
    _line(axis, training, [point.true_success for point in training], SUCCESS)
    for name, success in baselines:
        axis.axhline(success, color=GRAY, linewidth=1, linestyle=(0, (4, 3)))
        # The curve starts low on the left and ends high on the right: the labels keep out of its
        # way.
        side, height = (0, "top") if success > 0.5 else (1, "bottom")
        axis.annotate(
            name,
            (side, success),
            xycoords=("axes fraction", "data"),
            xytext=(4 - 8 * side, 3 if height == "bottom" else -3),
            textcoords="offset points",
            ha="right" if side else "left",
            va=height,
            color=GRAY,
            fontsize=8,
        )
    axis.set_ylim(-0.03, 1.03)
    axis.set_ylabel("true success", color=SUCCESS)
    _steps(axis)
    return _svg(figure)


def scores_figure(evaluation: Evaluation) -> str:
    """Score against true progress at every scored state."""
    figure, (cloud,) = _axes(1, 1, width=4.2, height=3.4)
    points = _thinned(_scored_states(evaluation))
    for is_done, color, label in ((False, TRUTH, "not done"), (True, SUCCESS, "truly done")):
        progress = [point.progress for point in points if point.is_done is is_done]
        scores = [point.score for point in points if point.is_done is is_done]
        if scores:
            style = {"color": color, "alpha": 0.45, "linewidths": 0, "label": label}
            cloud.scatter(progress, scores, s=9, **style)
            _legend(cloud)
    cloud.set_xlabel("true progress" if points else "true progress is unknown here")
    cloud.set_ylabel("score")
    return _svg(figure)


def episode_figure(evaluation: Evaluation) -> str:
    """Score and true progress over the time of the median episode."""
    figure, (curve,) = _axes(1, 1, width=4.2, height=3.4)
    _plot_episode(curve, _median_episode(evaluation))
    return _svg(figure)


@dataclass(frozen=True, slots=True)
class _ScoredState:
    progress: float
    score: float
    is_done: bool


def _scored_states(evaluation: Evaluation) -> list[_ScoredState]:
    """Every state that has a score and a true progress."""
    states: list[_ScoredState] = []
    for episode in evaluation.episodes:
        for step, score in zip(episode.score_steps, episode.scores, strict=True):
            progress = episode.progress[step]
            is_done = episode.success is not None and episode.success[step]
            if score is not None and math.isfinite(progress):
                states.append(_ScoredState(progress, score, is_done))
    return states


def _thinned(states: list[_ScoredState]) -> list[_ScoredState]:
    # Every k-th state rather than a random draw: the same run gives the same figure.
    stride = math.ceil(len(states) / MAX_POINTS)
    return states[:: max(1, stride)]


def curves_figure(
    curves: Mapping[str, tuple[ArrayLike, Sequence[float | None], tuple[float, float]]],
    label: str = "seconds",
) -> str:
    """Curves over time, one panel each.

    Args:
        curves: name -> (T times, T scores with None for abstentions, range of the scores).
        label: of the time axis.
    """
    height = 0.6 + 1.9 * len(curves)
    figure, axes = _axes(len(curves), 1, width=7.2, height=height, sharex=True)
    for axis, name in zip(axes, curves, strict=True):
        times, scores, score_range = curves[name]
        # Matplotlib leaves a gap at NaN: an abstention is no score, not a line across.
        values = [math.nan if score is None else score for score in scores]
        axis.plot(times, values, color=SCORE, linewidth=1.6)
        _set_range(axis, score_range)
        axis.set_ylabel(name)
    axes[-1].set_xlabel(label)
    return _svg(figure)


def truth_figure(
    curves: Mapping[str, tuple[ArrayLike, ArrayLike]],
    score_range: tuple[float, float],
    label: str = "frame",
) -> bytes:
    """Score above truth of some episodes, one panel each, as a PNG.

    Args:
        curves: name -> (T scores, T values of true progress), NaN where there is none.
        score_range: of all scores; true progress has an axis of its own, from 0 to 1.
        label: of the time axis.
    """
    figure, axes = _axes(len(curves), 1, width=6.0, height=0.5 + 1.7 * len(curves))
    figure.patch.set(facecolor="white", alpha=1)
    for axis, (name, (scores, truth)) in zip(axes, curves.items(), strict=True):
        truth_axis = axis.twinx()
        truth_axis.tick_params(colors=GRAY, labelsize=8, length=3)
        truth_axis.spines[:].set_visible(False)
        truth_axis.plot(truth, color=TRUTH, linewidth=1.4, linestyle="--")
        _set_range(truth_axis, (0, 1))
        truth_axis.set_ylabel("truth", color=TRUTH, fontsize=9)
        axis.plot(scores, color=SCORE, linewidth=1.6)
        _set_range(axis, score_range)
        axis.set_ylabel("score", color=SCORE, fontsize=9)
        axis.set_title(name, color=GRAY, fontsize=9, loc="left")
    axes[-1].set_xlabel(label)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=110, metadata={"Software": None})
    return content.getvalue()


def _set_range(axis: Axes, value_range: tuple[float, float]) -> None:
    """Show the whole range with a margin, so that a curve at its end is not cut in half."""
    low, high = value_range
    margin = 0.05 * (high - low)
    axis.set_ylim(low - margin, high + margin)


def _median_episode(evaluation: Evaluation) -> Episode:
    """The episode of median true return, so that nobody picks a pretty one."""
    # Sorting is stable: of equal returns the earlier seed comes first, on every machine.
    ordered = sorted(evaluation.episodes, key=lambda episode: episode.true_return)
    return ordered[len(ordered) // 2]


def _plot_episode(axis: Axes, episode: Episode) -> None:
    if math.isfinite(episode.final_progress):
        axis.plot(
            range(len(episode.progress)), episode.progress, color=TRUTH, label="true progress"
        )
    points = [
        (step, score)
        for step, score in zip(episode.score_steps, episode.scores, strict=True)
        if score is not None
    ]
    if points:
        steps, scores = zip(*points, strict=True)
        axis.plot(steps, scores, color=SCORE, marker=".", markersize=4, label="score")
    if episode.success is not None and True in episode.success:
        axis.axvline(episode.success.index(True), color=SUCCESS, linewidth=1, label="true success")
    axis.set_xlabel(f"step of the median episode (seed {episode.seed})")
    _legend(axis)


def _steps(axis: Axes) -> None:
    from matplotlib.ticker import EngFormatter

    axis.set_xlabel("environment steps")
    # Training begins at 0: without it the axis of one point would span a fraction of a step.
    axis.set_xlim(left=0)
    axis.xaxis.set_major_formatter(EngFormatter(sep=""))


def _legend(axis: Axes) -> None:
    axis.legend(frameon=False, labelcolor=GRAY, fontsize=8)


def _line(
    axis: Axes, training: Sequence[TrainingPoint], values: Sequence[float | None], color: str
) -> None:
    # A point of training has only the figures that were measured then.
    points = [
        (point.step, value)
        for point, value in zip(training, values, strict=True)
        if value is not None
    ]
    if points:
        steps, heights = zip(*points, strict=True)
        # A run of one point has no line: only a larger dot can be seen.
        dot_size = 3 if len(points) > 1 else 9
        axis.plot(steps, heights, color=color, linewidth=1.8, marker=".", markersize=dot_size)


def _axes(
    rows: int, columns: int, width: float, height: float, **options: Any
) -> tuple[Figure, list[Axes]]:
    """A figure of our looks, its sides in inches, and its axes in reading order."""
    import matplotlib.figure

    figure: Figure = matplotlib.figure.Figure(figsize=(width, height), layout="constrained")
    figure.patch.set_alpha(0)
    axes: list[Axes] = list(figure.subplots(rows, columns, squeeze=False, **options).flat)
    for axis in axes:
        axis.patch.set_alpha(0)
        axis.tick_params(colors=GRAY, labelsize=8, length=3)
        axis.xaxis.label.set(color=GRAY, fontsize=9)
        axis.yaxis.label.set(color=GRAY, fontsize=9)
        axis.grid(color=GRAY, alpha=0.22, linewidth=0.6)
        axis.spines[["top", "right"]].set_visible(False)
        axis.spines[["left", "bottom"]].set_color(GRAY)
    return figure, axes


def _svg(figure: Figure) -> str:
    """The figure as SVG text, the same for the same figure."""
    import matplotlib

    content = io.StringIO()
    # Matplotlib salts ids at random and stamps the date: both would make equal reports differ.
    with cast(Any, matplotlib).rc_context({"svg.hashsalt": "roborew"}):
        figure.savefig(content, format="svg", metadata={"Date": None})
    return content.getvalue()
