"""``roborew evaluate``."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console

from roborew.cli.command import Command, RunPath, print_paths, say
from roborew.storage.run import RunDirectory


@dataclass(frozen=True, kw_only=True)
class Evaluate(Command):
    """Judge the agent of a run anew: true success with intervals, nulls, learned against true
    reward."""

    path: RunPath
    """Folder of the run."""
    episodes: int = 100
    """Fresh starts."""

    def run(self, console: Console) -> int:
        """Judge."""
        from roborew.cli.display import print_evaluation
        from roborew.workflows.evaluate import evaluate_run, write_evaluation

        run = RunDirectory.open(self.path)
        say(console, f"judging {self.path} over {self.episodes} fresh starts")
        result = evaluate_run(run, self.episodes)
        print_evaluation(console, result)
        written = write_evaluation(run, result)
        print_paths(console, {"figures": written.evaluation, "report": written.report})
        return 0
