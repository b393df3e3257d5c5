"""Several reward models on the same videos, each beside its nulls."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from roborew.config import to_json
from roborew.data import free_path, new_file
from roborew.errors import InvalidInputError
from roborew.evaluation import Measure, SanityBaseline, sanity_table, score_with_sanity_baselines
from roborew.evaluation.baselines import NUM_SCORED_BASELINES
from roborew.types import Clip, Frame, RewardModel
from roborew.workflows.score import SampledVideo, ScoredVideo, describe_judge_cost, write_plot


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardComparison:
    """One reward model on all videos.

    Attributes:
        videos: its curves.
        rows: the model, then its nulls, each a mean over the videos; order is that of time, as
            nobody knows the truth.
        milliseconds: wall-clock time of one frame, nulls included.
    """

    videos: list[ScoredVideo]
    rows: list[SanityBaseline]
    milliseconds: float

    def table(self) -> list[list[str]]:
        """Cells for printing, the model's own row first."""
        name = self.videos[0].spec.name
        rows: list[list[str]] = []
        for i, row in enumerate(self.rows):
            shown = "the video" if i == 0 else row.name
            numbers = [_number(measure) for measure in (row.spearman, row.gain, row.final)]
            rows.append([name if i == 0 else "", shown, *numbers, f"{row.abstention_rate:.0%}", ""])
        rows[0][-1] = f"{self.milliseconds:.1f}"
        return rows


def options_of(rewards: Sequence[str], option: Sequence[str]) -> dict[str, list[str]]:
    """Sort ``reward.key=value`` by reward.

    >>> options_of(["mini", "clip"], ["clip.model=ViT-B-32"])
    {'mini': [], 'clip': ['model=ViT-B-32']}

    Raises:
        InvalidInputError: a reward named twice, or an option of none of them.
    """
    if len(set(rewards)) != len(rewards) or not rewards:
        raise InvalidInputError(
            f"rewards: expected different names, at least one; got {', '.join(rewards) or 'none'}."
        )
    sorted_options: dict[str, list[str]] = {name: [] for name in rewards}
    for pair in option:
        name, dot, setting = pair.partition(".")
        if not dot or name not in sorted_options:
            raise InvalidInputError(
                f"option: expected reward.key=value with one of {', '.join(rewards)}; got {pair!r}."
            )
        sorted_options[name].append(setting)
    return sorted_options


def describe_comparison_cost(model: RewardModel, videos: Sequence[SampledVideo]) -> str | None:
    """Return a sentence on what `compare` asks of a reward's judge, None for a reward that asks
    none."""
    # Each video as it is, and as each of the baselines that are shown to the model.
    return describe_judge_cost(model, videos, num_scorings=1 + NUM_SCORED_BASELINES)


def compare(
    model: RewardModel,
    videos: Sequence[SampledVideo],
    instruction: str,
    wrong_instruction: str,
    goal_image: Frame | None = None,
) -> RewardComparison:
    """Score all videos and their nulls with one model.

    Raises:
        InvalidInputError: a sentence breaks the rule, or the model needs a goal picture and there
            is none.
    """
    if model.spec.needs_goal_image and goal_image is None:
        raise InvalidInputError(
            f"{model.spec.name} compares with a picture of the goal: give one with --goal-image."
        )
    clips = [
        Clip(frames=video.frames, instruction=instruction, goal_image=goal_image)
        for video in videos
    ]
    began = time.perf_counter()
    scored = score_with_sanity_baselines(model, clips, [wrong_instruction] * len(clips))
    seconds = time.perf_counter() - began
    shown = sum(len(video.frames) for video in videos) * (
        len(scored) - 1
    )  # the clock looks at nothing
    return RewardComparison(
        videos=[
            ScoredVideo(
                path=video.path,
                spec=model.spec,
                instruction=instruction,
                indices=video.indices,
                fps=video.fps,
                scores=scores,
                seconds=seconds / shown * len(video.frames),
            )
            for video, scores in zip(videos, scored[model.spec.name], strict=True)
        ],
        rows=sanity_table(scored),
        milliseconds=1000 * seconds / shown,
    )


def write(out: Path, compared: Sequence[RewardComparison]) -> dict[str, Path]:
    """Write a new ``compare.json`` and, for every video, a new plot with one panel a reward."""
    content = [
        {
            "reward": to_json(each.videos[0].spec),
            "milliseconds_per_frame": each.milliseconds,
            "table": to_json(each.rows),
            "videos": [
                {"path": str(v.path), "frames": v.indices.tolist(), "fps": v.fps, "scores": v.curve}
                for v in each.videos
            ],
        }
        for each in compared
    ]
    path = free_path(out / "compare.json")
    with new_file(path) as file:
        file.write_text(json.dumps(to_json(content)) + "\n", encoding="utf-8")
    plots = {
        f"plot {i}": write_plot(out, same)
        for i, same in enumerate(zip(*(c.videos for c in compared), strict=True), 1)
    }
    return {"figures": path, **plots}


def _number(measure: Measure) -> str:
    return "–" if measure.value is None else f"{measure.value:.3f}"
