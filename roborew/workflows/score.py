"""Videos through reward models: curves on disk as JSON lines, a progress table, a plot and a
video."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from roborew.critics.critic import Critic
from roborew.data import read_video, side_by_side, video_info
from roborew.data.subsample import subsample_indices
from roborew.errors import InvalidInputError
from roborew.evaluation import Overlay, curves_figure, score_curve, score_range, write_overlay_video
from roborew.rewards.vlm.base import describe_cost
from roborew.storage.names import check_file_name
from roborew.storage.staging import new_file, numbered, write_new
from roborew.types import Clip, Frame, RewardModel, RewardSpec, Scores, Video

MAX_VIDEO_FPS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredVideo:
    """One video under one reward model.

    Attributes:
        path: of the video.
        spec: of the model.
        instruction: the goal.
        indices: shape (T,), int64: the frames of the video that were scored.
        fps: of the video, frames per second.
        scores: T entries.
        seconds: wall-clock time of scoring.
    """

    path: Path
    spec: RewardSpec
    instruction: str
    indices: NDArray[np.int64]
    fps: float
    scores: Scores
    seconds: float

    @property
    def score_curve(self) -> NDArray[np.float64]:
        """Shape (T,), NaN where the model abstained."""
        return score_curve(self.scores)

    @property
    def curve(self) -> list[float | None]:
        """T scores, None where the model abstained."""
        pairs = zip(self.scores.value.tolist(), self.scores.valid.tolist(), strict=True)
        return [value if valid else None for value, valid in pairs]


@dataclass(frozen=True, slots=True)
class SampledVideo:
    """Frames of a video, every k-th."""

    path: Path
    frames: Video
    indices: NDArray[np.int64]
    fps: float


def sample_video(path: Path, fps: float | None = None, views: Sequence[Path] = ()) -> SampledVideo:
    """Read a video, whole or thinned to about ``fps`` frames per second; its last frame is always
    kept.

    Args:
        path: of the video.
        fps: frames per second that are kept; all if not given.
        views: the same moments seen by other cameras, whose pictures are set side by side with
            those of the video.

    Raises:
        InvalidInputError: no such file, ``fps`` not above 0, or views of another length or rate.
        CorruptFileError: it cannot be decoded.
    """
    rate = video_info(path).fps
    frames = read_video(path)
    num_frames = len(frames)
    indices = subsample_indices(num_frames, rate, fps)
    frames = frames[indices]
    if not views:
        return SampledVideo(path, frames, indices, rate)
    view_frames = [frames]
    for view in views:
        moments = read_video(view)
        view_rate = video_info(view).fps
        if (len(moments), view_rate) != (num_frames, rate):
            raise InvalidInputError(
                f"{view}: expected the same moments as in {path}, {num_frames} frames at "
                f"{rate:g} per second; got {len(moments)} at {view_rate:g}."
            )
        # Sampled at once: the frames that are not scored need not stay in memory.
        view_frames.append(moments[indices])
    joined = [side_by_side(moment) for moment in zip(*view_frames, strict=True)]
    return SampledVideo(path, np.stack(joined), indices, rate)


def check_output_names(videos: Sequence[Path], rewards: Sequence[str]) -> None:
    """Raise where what is written of videos, under names made of theirs and of the rewards', cannot
    be files; scoring may take long, so it is said before.

    Raises:
        InvalidInputError: a name is too long, or holds characters that are not printed.
    """
    for video in videos:
        check_file_name(f"{video.stem}.{'+'.join(rewards)}", f"{video}: name of its scores")


def resolve_instruction(model: RewardModel, instruction: str | None) -> str:
    """The sentence to score under: ``instruction``, or the only one that a critic was fitted to.

    Raises:
        InvalidInputError: no instruction, and the model knows of no sentence, or of several.
    """
    if instruction is not None:
        return instruction
    sentences = list(model.sentences) if isinstance(model, Critic) else []
    if len(sentences) == 1:
        return sentences[0]
    fitted = f" It was fitted to: {'; '.join(map(repr, sentences))}." if sentences else ""
    raise InvalidInputError(
        f"instruction: reward {model.spec.name!r} needs a sentence; say with --instruction what should be "
        f"done.{fitted}"
    )


def describe_judge_cost(model: RewardModel, videos: Sequence[SampledVideo]) -> str | None:
    """Return a sentence on what scoring videos asks of a reward's judge, None for a reward that
    asks none."""
    return describe_cost(model, [len(video.frames) for video in videos])


def score_video(
    model: RewardModel, sampled: SampledVideo, instruction: str, goal_image: Frame | None = None
) -> ScoredVideo:
    """Score the frames of one video.

    Raises:
        InvalidInputError: the goal breaks the rule, or the model needs a goal picture and there is
            none.
    """
    if model.spec.needs_goal_image and goal_image is None:
        raise InvalidInputError(
            f"{model.spec.name} compares with a picture of the goal: give one with --goal-image."
        )
    began = time.perf_counter()
    (scores,) = model.score(
        [Clip(frames=sampled.frames, instruction=instruction, goal_image=goal_image)]
    )
    return ScoredVideo(
        path=sampled.path,
        spec=model.spec,
        instruction=instruction,
        indices=sampled.indices,
        fps=sampled.fps,
        scores=scores,
        seconds=time.perf_counter() - began,
    )


def write_curve(out: Path, scored: ScoredVideo) -> Path:
    """Write a new ``<video>.<reward>.jsonl``: one object a scored frame."""
    scores = scored.curve
    successes: Sequence[float | None] = [None] * len(scores)
    if scored.scores.success is not None:
        successes = scored.scores.success.tolist()
    lines: list[str] = []
    for frame, score, success in zip(scored.indices.tolist(), scores, successes, strict=True):
        row = {
            "frame": frame,
            "time": round(frame / scored.fps, 6),
            "score": score,
            # Where the model abstained from a score, it predicts nothing either.
            "success": None if score is None else success,
        }
        lines.append(json.dumps(row) + "\n")
    return write_new(_names(out, scored, "jsonl"), "".join(lines))


def write_plot(out: Path, scored: Sequence[ScoredVideo]) -> Path:
    """Write a new SVG of the curves of one video, one line a reward, each in its own range."""
    curves = {video.spec.name: _timed_curve(video) for video in scored}
    rewards = [video.spec.name for video in scored]
    names = "+".join(rewards)
    stem = scored[0].path.stem
    path = out / f"{stem}.{names}.svg"
    figure = curves_figure(curves)
    return write_new(numbered(path), figure)


def _timed_curve(
    video: ScoredVideo,
) -> tuple[NDArray[np.float64], list[float | None], tuple[float, float]]:
    """Times [s], scores and the range to plot them in."""
    times = video.indices / video.fps
    scores = video.curve
    return times, scores, score_range(video.spec, scores)


def write_scored_video(out: Path, scored: ScoredVideo, sampled: SampledVideo) -> Path:
    """Write a new mp4 of the scored frames with the goal and the curve drawn in."""
    overlay = Overlay(
        instruction=scored.instruction,
        scores=scored.curve,
        score_range=score_range(scored.spec, scored.curve),
        title=scored.spec.name,
    )
    # The rate of the scored frames, so that the video takes as long as what it shows.
    # A video of one frame has its last at 0.
    last = max(1, int(scored.indices[-1]))
    sampled_fps = len(scored.indices) * scored.fps / last
    fps = min(MAX_VIDEO_FPS, max(1.0, sampled_fps))
    return write_overlay_video(_names(out, scored, "mp4"), sampled.frames, overlay, fps)


def write_progress_table(out: Path, scored: Sequence[ScoredVideo], identity: str) -> Path:
    """Write a new ``<reward>_progress.parquet`` as LeRobot reads it: every video is an episode.

    ``progress_sparse`` is the score moved from the model's range to [0, 1]; NaN where it abstained
    or did not look. A model without a finite range keeps its raw scores, and the table says so.

    Args:
        out: folder.
        scored: videos under one model, the episodes in this order.
        identity: what made the scores, as it stands in the run's command.
    """
    # Imported by name, as pyarrow has no annotations.
    arrow = cast(Any, import_module("pyarrow"))
    parquet = cast(Any, import_module("pyarrow.parquet"))
    spec = scored[0].spec
    metadata = {
        "reward_model_path": identity,
        "roborew.causal": str(spec.causal).lower(),
        "roborew.scale": "unit" if _is_bounded(spec) else "raw",
        "roborew.episodes": json.dumps([str(video.path) for video in scored]),
    }
    table = arrow.table(_progress_columns(scored)).replace_schema_metadata(metadata)
    with new_file(numbered(out / f"{spec.name}_progress.parquet")) as staged:
        parquet.write_table(table, staged.staging)
    return staged.path


def _progress_columns(scored: Sequence[ScoredVideo]) -> dict[str, NDArray[Any]]:
    """Columns of the progress table, a row a frame."""
    episodes = [_progress_of_frames(video) for video in scored]
    lengths = [len(progress) for progress in episodes]
    frame_indices = [np.arange(length, dtype=np.int64) for length in lengths]
    return {
        "index": np.arange(sum(lengths), dtype=np.int64),
        "episode_index": np.repeat(np.arange(len(lengths), dtype=np.int64), lengths),
        "frame_index": np.concatenate(frame_indices),
        "progress_sparse": np.concatenate(episodes),
    }


def _progress_of_frames(video: ScoredVideo) -> NDArray[np.float32]:
    """Progress of every frame up to the last scored one, NaN between scored ones."""
    spec = video.spec
    values = video.scores.value
    if _is_bounded(spec):
        values = (values - spec.low) / (spec.high - spec.low)
    # The last frame is always sampled, so this is the length of the video.
    num_frames = int(video.indices[-1]) + 1
    progress = np.full(num_frames, np.nan, np.float32)
    progress[video.indices] = np.where(video.scores.valid, values, np.nan)
    return progress


def _is_bounded(spec: RewardSpec) -> bool:
    return math.isfinite(spec.low) and math.isfinite(spec.high)


def _names(out: Path, scored: ScoredVideo, ending: str) -> Iterator[Path]:
    return numbered(out / f"{scored.path.stem}.{scored.spec.name}.{ending}")
