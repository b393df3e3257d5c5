"""``roborew score``."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

from roborew.cli.command import EXIT_UNWELL, Command, print_paths, say, watched

Videos = tyro.conf.Positional[tuple[Path, ...]]
Options = Annotated[tuple[str, ...], tyro.conf.UseAppendAction]


@dataclass(frozen=True, kw_only=True)
class Score(Command):
    """Score videos with a reward: curves, a progress table, plots and films with the score drawn
    in."""

    videos: Videos
    """Video files (mp4, webm, mkv, avi)."""
    goal: str | None = None
    """What should be done in them, as a sentence; a critic that was fitted to one sentence takes
    that if not given."""
    reward: str = "mini"
    """A name of `roborew list rewards`, or the folder of a critic or of mini's weights."""
    option: Options = ()
    """A setting of the reward as key=value; may be given several times."""
    goal_image: Path | None = None
    """A picture of the goal, for rewards that compare with one."""
    views: tuple[Path, ...] = ()
    """Further views of the one video, for a critic of several cameras, in the order that it was
    fitted with."""
    fps: float | None = None
    """Score about so many frames of each second; if not given, as many as a critic was fitted to,
    else every frame."""
    out: Path = Path("scores")
    """Folder for what is written; nothing there is ever overwritten."""
    device: str = "cpu"
    """Where the model runs, a torch device name."""
    film: bool = True
    """Also write the films."""

    def run(self, console: Console) -> int:
        """Score."""
        from roborew.critics.critic import Critic
        from roborew.data import read_picture
        from roborew.errors import InvalidInputError
        from roborew.workflows.factories import open_reward
        from roborew.workflows.score import (
            ScoredVideo,
            describe_judge_cost,
            resolve_instruction,
            sample_video,
            score_video,
            write_curve,
            write_plot,
            write_progress_table,
            write_scored_video,
        )

        if not self.videos:
            raise InvalidInputError("score: got no video; name at least one file.")
        if self.views and len(self.videos) > 1:
            raise InvalidInputError(
                f"score: views belong to one video; got {len(self.videos)}. Score one at a time."
            )
        model = open_reward(self.reward, self.option, self.device)
        sentence, picture = (
            resolve_instruction(model, self.goal),
            read_picture(self.goal_image) if self.goal_image else None,
        )
        fps = model.fps if self.fps is None and isinstance(model, Critic) else self.fps
        rate = f"about {fps:g} frames of each second" if fps else "every frame"
        say(console, f"“{sentence}”, {rate}")
        scored: list[ScoredVideo] = []
        for path in watched(console, self.videos, "scoring", [model]):
            sampled = sample_video(path, fps, self.views)
            cost = describe_judge_cost(model, [sampled])
            if cost is not None:
                say(console, f"{path}: {cost}")
            scored.append(score_video(model, sampled, sentence, picture))
            paths = {
                "scores": write_curve(self.out, scored[-1]),
                "plot": write_plot(self.out, scored[-1:]),
            }
            if self.film:
                paths["film"] = write_scored_video(self.out, scored[-1], sampled)
            say(console, _summary(scored[-1]))
            print_paths(console, paths)
        identity = " ".join([self.reward, *map(shlex.quote, self.option)])
        print_paths(console, {"progress table": write_progress_table(self.out, scored, identity)})
        return 0 if any(value is not None for one in scored for value in one.curve) else EXIT_UNWELL


def _summary(scored: object) -> str:
    """First and last score, and what was abstained from."""
    from roborew.workflows.score import ScoredVideo

    assert isinstance(scored, ScoredVideo)
    known = [value for value in scored.curve if value is not None]
    span = f"{known[0]:.3f} to {known[-1]:.3f}" if known else "no score"
    abstained = len(scored.curve) - len(known)
    return f"{scored.path}: {span} over {len(scored.curve)} frames, {abstained} abstained, {scored.seconds:.1f} s"
