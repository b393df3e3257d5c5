"""``roborew score``."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.console import Console

from roborew.cli.command import EXIT_UNWELL, Command, print_paths, say, watched
from roborew.config import format_options
from roborew.errors import InvalidInputError
from roborew.workflows.parts import RewardConfig

if TYPE_CHECKING:
    from roborew.workflows.score import SampledVideo, ScoredVideo

Videos = tyro.conf.Positional[tuple[Path, ...]]
Instruction = tyro.conf.arg(aliases=("--goal",))


@dataclass(frozen=True, kw_only=True)
class Score(Command):
    """Score videos with a reward: curves, a progress table, plots and videos with the score drawn
    in."""

    videos: Videos
    """Video files (mp4, webm, mkv, avi)."""
    instruction: Annotated[str | None, Instruction] = None
    """What should be done in them, as a sentence; a critic that was fitted to one sentence takes
    that if not given."""
    reward: RewardConfig = field(default_factory=RewardConfig)
    goal_image: Path | None = None
    """A picture of the goal, for rewards that compare with one."""
    cameras: tuple[Path, ...] = ()
    """Files with further views of the one video, for a critic of several cameras, in the order that it
    was fitted with."""
    fps: float | None = None
    """Score about so many frames of each second; if not given, as many as a critic was fitted to,
    else every frame."""
    out: Path = Path("scores")
    """Folder for what is written; nothing there is ever overwritten."""
    device: str = "cpu"
    """Where the model runs, a torch device name."""
    video: bool = True
    """Also write the videos."""

    def run(self, console: Console) -> int:
        """Score."""
        from roborew.critics.critic import Critic
        from roborew.data import read_picture
        from roborew.workflows.rewards import load_reward
        from roborew.workflows.score import (
            check_output_names,
            describe_judge_cost,
            resolve_instruction,
            sample_video,
            score_video,
            write_progress_table,
        )

        self._check_videos()
        model = load_reward(self.reward.name, device=self.device, **self.reward.options)
        check_output_names(self.videos, [model.spec.name])
        sentence = resolve_instruction(model, self.instruction)
        picture = read_picture(self.goal_image) if self.goal_image else None
        fps = model.fps if self.fps is None and isinstance(model, Critic) else self.fps
        # Said before scoring: which frames are read decides what the curve can show.
        rate = f"about {fps:g} frames of each second" if fps else "every frame"
        say(console, f"“{sentence}”, {rate}")
        scored: list[ScoredVideo] = []
        for path in watched(console, self.videos, "scoring", [model]):
            sampled = sample_video(path, fps, self.cameras)
            cost = describe_judge_cost(model, [sampled])
            if cost is not None:
                say(console, f"{path}: {cost}")
            scored.append(score_video(model, sampled, sentence, picture))
            paths = self._write(scored[-1], sampled)
            say(console, _summary(scored[-1]))
            print_paths(console, paths)
        options = format_options(self.reward.options)
        identity = " ".join([self.reward.name, *map(shlex.quote, options)])
        print_paths(console, {"progress table": write_progress_table(self.out, scored, identity)})
        self.print_json(
            {str(video.path): {"frames": video.indices, "scores": video.curve} for video in scored}
        )
        values = [value for video in scored for value in video.curve]
        # A script has to notice that not one score was given.
        return EXIT_UNWELL if all(value is None for value in values) else 0

    def _check_videos(self) -> None:
        if not self.videos:
            raise InvalidInputError("score: got no video; name at least one file.")
        if self.cameras and len(self.videos) > 1:
            raise InvalidInputError(
                f"score: --cameras belong to one video; got {len(self.videos)}. Score one at a time."
            )

    def _write(self, scored: ScoredVideo, sampled: SampledVideo) -> dict[str, Path]:
        from roborew.workflows.score import write_curve, write_plot, write_scored_video

        paths = {
            "scores": write_curve(self.out, scored),
            "plot": write_plot(self.out, [scored]),
        }
        if self.video:
            paths["video"] = write_scored_video(self.out, scored, sampled)
        return paths


def _summary(scored: ScoredVideo) -> str:
    """First and last score, and what was abstained from."""
    scores = [value for value in scored.curve if value is not None]
    span = "no score"
    if scores:
        span = f"{scores[0]:.3f} to {scores[-1]:.3f}"
    frames = len(scored.curve)
    abstained = frames - len(scores)
    return (
        f"{scored.path}: {span} over {frames} frames, {abstained} abstained, {scored.seconds:.1f} s"
    )
