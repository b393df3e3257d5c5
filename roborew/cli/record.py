"""``roborew record``."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console

from roborew.cli.command import Command, RunPath, print_paths
from roborew.storage.run import RunDirectory


@dataclass(frozen=True, kw_only=True)
class Record(Command):
    """Record videos of the agent of a run, with score, truth and sentence drawn in."""

    path: RunPath
    """Folder of the run."""
    episodes: int = 3
    """Videos, one for each of the first evaluation episodes."""
    gif: bool = False
    """Write each as a GIF, too."""

    def run(self, console: Console) -> int:
        """Record."""
        from roborew.workflows.record import record_run

        for video in record_run(RunDirectory.open(self.path), self.episodes, self.gif):
            print_paths(console, {video.suffix[1:]: video})
        return 0
