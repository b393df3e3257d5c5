"""``roborew compare``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from roborew.cli.command import Command, print_paths, say, watched
from roborew.cli.score import Options, Videos


@dataclass(frozen=True, kw_only=True)
class Compare(Command):
    """Several rewards on the same videos, each beside its nulls: does it read the picture and the
    sentence?"""

    videos: Videos
    """Video files (mp4, webm, mkv, avi)."""
    goal: str
    """What should be done in them, as a sentence."""
    wrong: str = "do nothing"
    """A sentence that the videos do not fulfil; a reward that rises all the same does not read."""
    rewards: tuple[str, ...] = ("mini",)
    """Names of `roborew list rewards` or folders of weights."""
    option: Options = ()
    """A setting of one of them as reward.key=value; may be given several times."""
    goal_image: Path | None = None
    """A picture of the goal, for rewards that compare with one."""
    fps: float | None = None
    """Score about so many frames of each second; every frame if not given."""
    out: Path = Path("scores")
    """Folder for what is written; nothing there is ever overwritten."""
    device: str = "cpu"
    """Where the models run, a torch device name."""

    def run(self, console: Console) -> int:
        """Score, tabulate and plot."""
        from roborew.cli.display import print_comparison
        from roborew.data import read_picture
        from roborew.errors import InvalidInputError
        from roborew.workflows.compare import compare, describe_comparison_cost, options_of, write
        from roborew.workflows.factories import open_reward
        from roborew.workflows.score import sample_video

        if not self.videos:
            raise InvalidInputError("compare: got no video; name at least one file.")
        options = options_of(self.rewards, self.option)
        models = {name: open_reward(name, options[name], self.device) for name in self.rewards}
        goal = read_picture(self.goal_image) if self.goal_image else None
        videos = [sample_video(path, self.fps) for path in self.videos]
        for model in models.values():
            cost = describe_comparison_cost(model, videos)
            if cost is not None:
                say(console, cost)
        compared = [
            compare(model, videos, self.goal, self.wrong, goal)
            for model in watched(console, models.values(), "scoring", models.values())
        ]
        print_comparison(console, compared)
        print_paths(console, write(self.out, compared))
        return 0
