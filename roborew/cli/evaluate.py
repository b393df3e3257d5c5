"""``roborew evaluate`` and ``roborew record``: what is done with a trained run."""

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
