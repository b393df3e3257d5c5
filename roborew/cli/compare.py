"""``roborew compare``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.console import Console

from roborew.cli.command import EXIT_UNWELL, Command, followed, print_paths, say, watched
from roborew.cli.score import Instruction, Videos, time_bar
from roborew.errors import CorruptFileError, InvalidInputError
from roborew.storage.staging import check_writable
from roborew.workflows.parts import RewardConfig

if TYPE_CHECKING:
    from roborew.types import RewardModel
    from roborew.workflows.compare import RewardComparison
    from roborew.workflows.score import SampledVideo, Source

Rewards = Annotated[Mapping[str, RewardConfig], tyro.conf.Suppress, tyro.conf.Fixed]


@dataclass(frozen=True, kw_only=True)
class Compare(Command):
    """Score the same videos with several rewards, each beside its sanity baselines: does it read the
    picture and the sentence? Settings of a reward: --REWARD.KEY VALUE, such as --clip.model ViT-B-32."""

    videos: Videos
    """Video files (mp4, m4v, mov, webm, mkv, avi, gif), folders of them, manifests or LeRobot data
    sets."""
    instruction: Annotated[str, Instruction]
    """What should be done in them, as a sentence."""
    wrong: str = "do nothing"
    """A sentence that the videos do not fulfil; a reward that rises all the same does not read."""
    rewards: tuple[str, ...] = ("mini",)
    """Names of `roborew list rewards` or folders of weights."""
    parts: Rewards = field(default_factory=dict[str, RewardConfig])
    """The same with their settings."""
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
        from roborew.workflows.compare import (
            compare,
            comparison_content,
            describe_comparison_cost,
            write,
        )
        from roborew.workflows.score import check_output_names, check_states, find_sources

        if not self.videos:
            raise InvalidInputError("compare: got no video; name at least one file.")
        sources = find_sources(self.videos, instruction=self.instruction).sources
        models = self._load_rewards()
        for model in models:
            check_states(model, sources)
        check_output_names(
            [source.name for source in sources], [model.spec.name for model in models]
        )
        goal = read_picture(self.goal_image) if self.goal_image else None
        check_writable(self.out)
        videos = self._read(console, sources)
        # Announced before the first question is paid for.
        for model in models:
            cost = describe_comparison_cost(model, videos)
            if cost is not None:
                say(console, cost)
        comparisons = [
            compare(model, videos, self.instruction, self.wrong, goal)
            for model in watched(console, models, "scoring", models)
        ]
        print_comparison(console, comparisons)
        paths = write(self.out, comparisons)
        print_paths(console, paths)
        self.print_json(comparison_content(comparisons))
        # A script has to notice that not one score was given.
        complete = _has_score(comparisons) and len(videos) == len(sources)
        return 0 if complete else EXIT_UNWELL

    def _read(self, console: Console, sources: list[Source]) -> list[SampledVideo]:
        """Read the videos that can be read; the others are said, and all is over without any."""
        from roborew.workflows.score import sample_source

        videos: list[SampledVideo] = []
        for source, show in followed(console, sources, "reading"):
            try:
                observe = time_bar(console, source, show)
                videos.append(sample_source(source, self.fps, observe))
            except (CorruptFileError, InvalidInputError) as error:
                if len(sources) == 1:
                    raise
                say(console, f"{source.path}: left out. {error}")
            _check_held(videos)
        if not videos:
            raise InvalidInputError(f"compare: none of {len(sources)} videos could be read.")
        return videos

    def _load_rewards(self) -> list[RewardModel]:
        from roborew.workflows.rewards import load_configured

        names = self.rewards
        if len(set(names)) != len(names) or not names:
            raise InvalidInputError(
                f"rewards: expected different names, at least one; got {', '.join(names) or 'none'}."
            )
        parts = {part.name: part for part in self.parts.values()}
        models = list["RewardModel"]()
        for name in names:
            part = parts.get(name) or RewardConfig(name)
            models.append(load_configured(part, self.device))
        return models


def _check_held(videos: Sequence[SampledVideo]) -> None:
    """Raise where the frames of all videos are too many: they are held until the end."""
    from roborew.data.video.header import DEFAULT_LIMITS

    num_bytes = sum(video.frames.nbytes for video in videos)
    limit = DEFAULT_LIMITS.decoded_bytes
    if num_bytes > limit:
        raise InvalidInputError(
            f"compare: {len(videos)} videos are {num_bytes / 2**30:.1f} GiB decoded; the limit is "
            f"{limit / 2**30:.2g} GiB. Compare fewer at once, or take fewer frames (--fps)."
        )


def _has_score(comparisons: Sequence[RewardComparison]) -> bool:
    return any(
        score is not None
        for comparison in comparisons
        for video in comparison.videos
        for score in video.curve
    )
