"""``roborew evaluate``."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console

from roborew.cli.command import Command, RunPath, print_paths, say
from roborew.storage.run import RunDirectory


@dataclass(frozen=True, kw_only=True)
class Evaluate(Command):
    """Evaluate the agent of a run anew: true success with intervals, sanity baselines, learned against
    true reward."""

    path: RunPath
    """Folder of the run."""
    episodes: int = 100
    """Evaluation episodes."""

    def run(self, console: Console) -> int:
        """Evaluate."""
        from roborew.cli.display import print_evaluation
        from roborew.workflows.evaluate import evaluate_run, write_evaluation

        run = RunDirectory.open(self.path)
        say(console, f"evaluating {self.path} over {self.episodes} episodes")
        result = evaluate_run(run, self.episodes)
        print_evaluation(console, result)
        written = write_evaluation(run, result)
        print_paths(console, {"figures": written.evaluation, "report": written.report})
        return 0
