"""Several reward models on the same videos, each beside its sanity baselines, and how far they
agree."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from roborew.config import to_json
from roborew.errors import InvalidInputError
from roborew.evaluation import (
    LABELS,
    Measure,
    SanityBaseline,
    agreement,
    curve_metrics,
    cycle_metrics,
    forward_and_reversed,
    interquartile_mean,
    kendall_tau_a,
    probability_of_improvement,
    sanity_table,
    score_with_sanity_baselines,
    stratified_bootstrap,
    voc,
)
from roborew.evaluation.baselines import NUM_SCORED_BASELINES
from roborew.evaluation.measure import average
from roborew.rewards.vlm.base import describe_cost
from roborew.storage.staging import numbered, write_new
from roborew.types import Clip, Frame, RewardModel
from roborew.workflows.score import (
    SampledVideo,
    ScoredVideo,
    sampled_clip,
    scored_video,
    write_plot,
)

COMPARISON_HEADS = ("reward", "frames", "VOC", "gain", "final", "abstained", "ms a frame")
AGREEMENT_HEADS = (
    "rewards",
    "Spearman",
    "Kendall tau-a",
    "P(VOC of the first > of the second)",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardComparison:
    """One reward model on all videos.

    Attributes:
        videos: its curves.
        rows: the model, then its sanity baselines, each a mean over the videos; correlations are
            with time, as nobody knows the truth.
        curve_metrics: of the model, by the keys of `roborew.evaluation.LABELS`.
        milliseconds: wall-clock time of one frame, sanity baselines included.
    """

    videos: list[ScoredVideo]
    rows: list[SanityBaseline]
    curve_metrics: Mapping[str, Measure]
    milliseconds: float

    @property
    def name(self) -> str:
        """Of the reward."""
        return self.videos[0].spec.name

    @property
    def vocs(self) -> list[float]:
        """VOC of each video that has one."""
        values = [voc(video.score_curve).value for video in self.videos]
        return [value for value in values if value is not None]

    def table(self) -> list[list[str]]:
        """Cells under `COMPARISON_HEADS`, the model's own row first."""
        rows = [_baseline_cells(row) for row in self.rows]
        own_cells = rows[0]
        own_cells[:2] = [self.name, "the video"]
        # Only its own row has a time: the baselines are timed together with it.
        own_cells[-1] = f"{self.milliseconds:.1f}"
        return rows

    def curve_table(self) -> dict[str, str]:
        """Metrics of the model's curves by name, ready for printing."""
        cells = {LABELS[name]: _number(value) for name, value in self.curve_metrics.items()}
        vocs = self.vocs
        if len(vocs) < 2:
            return cells | {"VOC IQM": "–", "CI low": "–", "CI high": "–"}
        # A fixed seed: the same videos give the same interval.
        interval = stratified_bootstrap([vocs], np.random.default_rng(0))
        return cells | {
            "VOC IQM": f"{interquartile_mean(vocs):.3f}",
            "CI low": f"{interval.low:.3f}",
            "CI high": f"{interval.high:.3f}",
        }


def _baseline_cells(row: SanityBaseline) -> list[str]:
    """Cells under `COMPARISON_HEADS`, without the reward and its time."""
    spearman, gain, final = map(_number, (row.spearman, row.gain, row.final))
    return ["", row.name, spearman, gain, final, f"{row.abstention_rate:.0%}", ""]


def agreement_table(comparisons: Sequence[RewardComparison]) -> list[list[str]]:
    """Cells under `AGREEMENT_HEADS`, one row a pair of rewards."""
    rows: list[list[str]] = []
    for first, second in combinations(comparisons, 2):
        measures = _agreement(first, second)
        cells = [_number(measure) for measure in measures.values()]
        rows.append([f"{first.name}, {second.name}", *cells])
    return rows


def _agreement(first: RewardComparison, second: RewardComparison) -> dict[str, Measure]:
    measures = agreement(
        [video.score_curve for video in first.videos],
        [video.score_curve for video in second.videos],
    )
    if first.vocs and second.vocs:
        # One stratum: all videos show the same task.
        probability = probability_of_improvement([first.vocs], [second.vocs])
        measures["probability_of_higher_voc"] = Measure(probability)
    else:
        measures["probability_of_higher_voc"] = Measure(None)
    return measures


def describe_comparison_cost(model: RewardModel, videos: Sequence[SampledVideo]) -> str | None:
    """Return a sentence on what `compare` asks of a reward's judge, None for a reward that asks
    none."""
    lengths = [len(video.frames) for video in videos]
    # Counted without asking: each video as it is, as each baseline that is shown to the model, and forward and back.
    # The turning point is shown once.
    cycle_lengths = [2 * length - 1 for length in lengths]
    return describe_cost(model, lengths * (1 + NUM_SCORED_BASELINES) + cycle_lengths)


def compare(
    model: RewardModel,
    videos: Sequence[SampledVideo],
    instruction: str,
    wrong_instruction: str,
    goal_image: Frame | None = None,
) -> RewardComparison:
    """Score all videos and their sanity baselines with one model.

    Raises:
        InvalidInputError: a sentence breaks the rule, or the model needs a goal picture and there
            is none.
    """
    if model.spec.needs_goal_image and goal_image is None:
        raise InvalidInputError(
            f"{model.spec.name} compares with a picture of the goal: give one with --goal-image."
        )
    clips = [sampled_clip(model, video, instruction, goal_image) for video in videos]
    began = time.perf_counter()
    scored = score_with_sanity_baselines(model, clips, [wrong_instruction] * len(clips))
    seconds = time.perf_counter() - began
    num_scored = len(scored) - 1  # the clock looks at nothing
    frames_scored = num_scored * sum(len(video.frames) for video in videos)
    seconds_per_frame = seconds / frames_scored
    scored_videos = [
        scored_video(model, video, instruction, scores, seconds_per_frame * len(video.frames))
        for video, scores in zip(videos, scored[model.spec.name], strict=True)
    ]
    return RewardComparison(
        videos=scored_videos,
        rows=sanity_table(scored),
        curve_metrics=_curve_metrics(model, clips, scored_videos),
        milliseconds=1000 * seconds_per_frame,
    )


def _curve_metrics(
    model: RewardModel, clips: Sequence[Clip], videos: Sequence[ScoredVideo]
) -> dict[str, Measure]:
    """Every video is taken for a success that rises to its end: time is its progress."""
    curves = [video.score_curve for video in videos]
    times = [np.arange(len(curve)) for curve in curves]
    metrics = curve_metrics(curves)
    taus = map(kendall_tau_a, times, curves)
    metrics["kendall_tau_a"] = average(taus)
    cycles = list(map(forward_and_reversed, clips, times))
    cycle_scores = model.score(cycles)
    return metrics | cycle_metrics(cycle_scores)


def write(out: Path, comparisons: Sequence[RewardComparison]) -> dict[str, Path]:
    """Write a new ``compare.json`` and, for every video, a new plot with one panel a reward."""
    text = json.dumps(to_json(comparison_content(comparisons))) + "\n"
    path = write_new(numbered(out / "compare.json"), text)
    paths = {"figures": path}
    same_video = zip(*(comparison.videos for comparison in comparisons), strict=True)
    for number, scored in enumerate(same_video, start=1):
        paths[f"plot {number}"] = write_plot(out, scored)
    return paths


def comparison_content(comparisons: Sequence[RewardComparison]) -> list[dict[str, object]]:
    """What ``compare.json`` holds, an entry a reward."""
    return [_content(comparison, comparisons) for comparison in comparisons]


def _content(
    comparison: RewardComparison, comparisons: Sequence[RewardComparison]
) -> dict[str, object]:
    """What ``compare.json`` holds of one reward."""
    videos = [
        {
            "path": str(video.path),
            "frames": video.indices.tolist(),
            "fps": video.fps,
            "times": [round(time, 6) for time in video.times.tolist()],
            "scores": video.curve,
        }
        for video in comparison.videos
    ]
    peers = [peer for peer in comparisons if peer is not comparison]
    return {
        "reward": to_json(comparison.videos[0].spec),
        "milliseconds_per_frame": comparison.milliseconds,
        "table": to_json(comparison.rows),
        "curve_metrics": _values(comparison.curve_metrics),
        "agreement": {peer.name: _values(_agreement(comparison, peer)) for peer in peers},
        "videos": videos,
    }


def _values(measures: Mapping[str, Measure]) -> dict[str, float | None]:
    return {name: measure.value for name, measure in measures.items()}


def _number(measure: Measure) -> str:
    return "–" if measure.value is None else f"{measure.value:.3f}"
