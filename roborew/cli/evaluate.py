"""``roborew evaluate`` and ``roborew record``: what is done with a trained run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console

from roborew.cli.command import EXIT_UNWELL, Command, RunPath, print_paths, say
from roborew.storage.run import RunDirectory

if TYPE_CHECKING:
    from roborew.workflows.evaluate import RunEvaluation


@dataclass(frozen=True, kw_only=True)
class Evaluate(Command):
    """Evaluate the agent of a run anew: true success with intervals, sanity baselines, learned against
    true reward."""

    path: RunPath
    """Folder of the run."""
    episodes: int = 100
    """Evaluation episodes."""
    stochastic: bool | None = None
    """Draw the agent's actions from its policy, as it learned, or take the likeliest ones; as the run says
    if not given."""

    def run(self, console: Console) -> int:
        """Evaluate."""
        from roborew.cli.display import print_evaluation
        from roborew.workflows.evaluate import evaluate_run, write_evaluation

        run = RunDirectory.open(self.path)
        say(console, f"evaluating {self.path} over {self.episodes} episodes")
        result = evaluate_run(run, self.episodes, self.stochastic)
        print_evaluation(console, result)
        written = write_evaluation(run, result)
        print_paths(console, {"figures": written.evaluation, "report": written.report})
        self.print_json(result.full_summary())
        return exit_code_of(result, console)


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

        videos = record_run(RunDirectory.open(self.path), self.episodes, self.gif)
        for video in videos:
            print_paths(console, {video.suffix[1:]: video})
        self.print_json({"videos": videos})
        return 0


def exit_code_of(result: RunEvaluation, console: Console) -> int:
    """0, unless the reward gave not one score, which a script has to notice."""
    if not result.was_never_scored:
        return 0
    reward = result.trained.config.reward.name
    say(console, f"reward {reward} abstained from every score: the figures say nothing of it.")
    return EXIT_UNWELL
