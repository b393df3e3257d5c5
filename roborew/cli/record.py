"""``roborew record``."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console

from roborew.cli.command import Command, RunPath, print_paths
from roborew.storage.run import RunDirectory


@dataclass(frozen=True, kw_only=True)
class Record(Command):
    """Film the agent of a run, with score, truth and sentence drawn in."""

    path: RunPath
    """Folder of the run."""
    episodes: int = 3
    """Films, one for each of the first judged starts."""

    def run(self, console: Console) -> int:
        """Film."""
        from roborew.workflows.record import record_run

        for film in record_run(RunDirectory.open(self.path), self.episodes):
            print_paths(console, {"video": film})
        return 0
