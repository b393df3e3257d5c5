"""What is written of one video: its scores, a plot, and a video with the score drawn in."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from roborew.evaluation import Overlay, curves_figure, score_range, write_overlay_video
from roborew.storage.staging import numbered, write_new
from roborew.types import Frame
from roborew.workflows.score.scoring import ScoredVideo
from roborew.workflows.score.sources import Source


def write_curve(out: Path, scored: ScoredVideo) -> Path:
    """Write a new ``<video>.<reward>.jsonl``: one object a scored frame."""
    scores = scored.curve
    successes: Sequence[float | None] = [None] * len(scores)
    if scored.scores.success is not None:
        successes = scored.scores.success.tolist()
    lines: list[str] = []
    moments = zip(scored.indices.tolist(), scored.times.tolist(), scores, successes, strict=True)
    for frame, time, score, success in moments:
        row = {
            "frame": frame,
            "time": round(time, 6),
            "score": score,
            # Where the model abstained from a score, it predicts nothing either.
            "success": None if score is None else success,
        }
        lines.append(json.dumps(row) + "\n")
    return write_new(_names(out, scored, "jsonl"), "".join(lines))


def write_plot(out: Path, scored: Sequence[ScoredVideo]) -> Path:
    """Write a new SVG of the curves of one video, one line a reward, each in its own range."""
    curves = {video.spec.name: _timed_curve(video) for video in scored}
    names = "+".join(curves)
    path = out / f"{scored[0].name}.{names}.svg"
    return write_new(numbered(path), curves_figure(curves))


def _timed_curve(
    video: ScoredVideo,
) -> tuple[NDArray[np.float64], list[float | None], tuple[float, float]]:
    """Times [s], scores and the range to plot them in."""
    scores = video.curve
    return video.times, scores, score_range(video.spec, scores)


def write_scored_video(
    out: Path, scored: ScoredVideo, source: Source, fps: float | None = None
) -> Path:
    """Write a new mp4 of the scored frames with the goal and the curve drawn in, each shown when the
    source shows it; the source is decoded again, thinned to ``fps`` as it was scored."""
    times = scored.times - scored.times[0]
    overlay = Overlay(
        instruction=scored.instruction,
        scores=scored.curve,
        score_range=score_range(scored.spec, scored.curve),
        title=scored.spec.name,
        times=times.tolist(),
    )
    frames = _frames(source, fps)
    return write_overlay_video(_names(out, scored, "mp4"), frames, overlay, _mean_fps(times))


def _frames(source: Source, fps: float | None) -> Iterator[Frame]:
    return (moment.frame for moment in source.moments(fps))


def _mean_fps(times: NDArray[np.float64]) -> float:
    """Frames per second, for the encoder: each frame has its own time."""
    seconds = float(times[-1])
    rate = (len(times) - 1) / seconds if seconds > 0 else 1.0
    return min(1000.0, max(1.0, rate))


def _names(out: Path, scored: ScoredVideo, ending: str) -> Iterator[Path]:
    return numbered(out / f"{scored.name}.{scored.spec.name}.{ending}")
