"""``roborew train`` and ``roborew demo``."""

from __future__ import annotations

import shlex
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.console import Console

from roborew.cli.command import EXIT_INTERRUPTED, Command, print_paths, say
from roborew.cli.evaluate import exit_code_of
from roborew.errors import DiskFullError, InvalidInputError
from roborew.storage.names import check_file_name
from roborew.storage.run import RunDirectory, run_paths
from roborew.storage.staging import Target
from roborew.workflows.train.config import TrainConfig

if TYPE_CHECKING:
    from roborew.workflows.evaluate import RunEvaluation

Settings = Annotated[TrainConfig, tyro.conf.arg(name="")]
ConfigFile = Annotated[Path | None, tyro.conf.arg(name="config")]


@dataclass(frozen=True, kw_only=True)
class Train(Command):
    """Train an agent on a learned reward and evaluate it by the simulator's truth."""

    config: Settings = field(default_factory=TrainConfig)
    config_file: ConfigFile = None
    """Begin with the settings of another run, its config.json or folder; flags override them."""
    out: Path = Path("runs")
    """Folder of all runs."""
    name: str | None = None
    """Name of the run's own folder, which must not exist; the next free one if not given."""
    resume: Path | None = None
    """Resume this interrupted run, with its own settings."""

    def run(self, console: Console) -> int:
        """Train and evaluate."""
        config = self.config
        if self.resume is not None:
            # Other settings would make the rest of the run another experiment.
            if config != TrainConfig() or self.name is not None:
                raise InvalidInputError(
                    "--resume takes all settings from the run: give no others beside it."
                )
            with _interrupted(self.resume) as run:
                return _finish(self, console, run, video=False)
        words = (config.env.id.split("/")[-1], Path(config.reward.name).name, config.agent.name)
        named = None
        if self.name is not None:
            named = self.out / check_file_name(self.name, "--name")
        return _begin(self, console, config, named or run_paths(self.out, *words), video=False)


@dataclass(frozen=True, kw_only=True)
class Demo(Command):
    """The whole way in a few minutes: train from a sentence, record, evaluate over 100 episodes,
    report."""

    config: Settings = field(default_factory=TrainConfig)
    config_file: ConfigFile = None
    """Begin with the settings of another run, its config.json or folder; flags override them."""
    out: Path = Path("runs")
    """Folder of all runs."""

    def run(self, console: Console) -> int:
        """Train, record and evaluate."""
        return _begin(self, console, self.config, run_paths(self.out, "demo"), video=True)


def _interrupted(path: Path) -> RunDirectory:
    """The run at ``path``, which must have something left to do."""
    reader = RunDirectory.open(path)
    checkpoint = reader.load_checkpoint()
    config = reader.config(TrainConfig)
    done = checkpoint is not None and checkpoint.step >= config.timesteps
    # Trained but without a summary, it still has its evaluation to do.
    if done and (path / "summary.json").exists():
        raise InvalidInputError(
            f"{path} is finished: nothing is left to train. "
            f"Evaluate it anew with `roborew evaluate {shlex.quote(str(path))}`."
        )
    return RunDirectory.resume(path)


def _begin(
    command: Command, console: Console, config: TrainConfig, path: Target, video: bool
) -> int:
    # Imported here: it is slow to load, and neither help nor a typing error needs it.
    from roborew.workflows.train.loop import begin

    with begin(config, path) as run:
        return _finish(command, console, run, video)


def _finish(command: Command, console: Console, run: RunDirectory, video: bool) -> int:
    """Train a run to its end, record it if asked, evaluate it, and say where everything is."""
    from roborew.cli.display import print_evaluation
    from roborew.workflows.evaluate import finish_run
    from roborew.workflows.record import record_run

    with _hint(run):
        if not _train(console, run):
            return EXIT_INTERRUPTED
        videos = record_run(run) if video else []
        say(console, f"evaluating over {run.config(TrainConfig).evaluation.episodes} episodes")
        finished = finish_run(run)
    print_evaluation(console, finished.evaluation)
    say(console, _last_line(finished.evaluation))
    paths = {f"video {number}": path for number, path in enumerate(videos, 1)}
    print_paths(console, {"report": finished.report, **paths})
    command.print_json(finished.summary)
    return exit_code_of(finished.evaluation, console)


def _last_line(evaluation: RunEvaluation) -> str:
    """The figure that counts, in a sentence."""
    agent = evaluation.agent
    name = evaluation.trained.config.agent.name
    if agent.successes is None:
        returns = f"{agent.true_return:.2f}, random {evaluation.random.true_return:.2f}"
        return f"{name}: true return {returns}"
    low, high = (f"{bound:.1%}" for bound in (agent.interval.low, agent.interval.high))
    return (
        f"{name}: true success {agent.true_success:.1%} of {len(agent.episodes)} episodes "
        f"(95 % CI {low} to {high}), random {evaluation.random.true_success:.1%}"
    )


def _train(console: Console, run: RunDirectory) -> bool:
    """Train a run to its end; False if it was stopped before."""
    from roborew.cli.display import progress_display
    from roborew.workflows.preference.teach import describe_refit, refit_of
    from roborew.workflows.train.loop import train

    config = run.config(TrainConfig)
    refit = refit_of(config)

    def refit_and_say(run: RunDirectory, number: int) -> None:
        say(console, describe_refit(config, number))
        refit(run, number)

    say(
        console,
        f"{config.agent.name} learns “{config.sentence}” in {config.env.id} from "
        f"{config.reward.name}: {run.path}",
    )
    with progress_display(console) as observe:
        outcome = train(run, observe, refit_and_say)
    if outcome.ended != "stopped":
        return True
    note = f"stopped after {outcome.steps:,} steps; all of them are kept."
    say(console, f"{note} {_resume_command(run.path)}")
    return False


@contextmanager
def _hint(run: RunDirectory) -> Generator[None]:
    """Add to whatever ends the block early how to resume, unless the run is removed, see `begin`."""
    try:
        yield
    except (Exception, KeyboardInterrupt) as error:
        if not run.is_empty or isinstance(error, (KeyboardInterrupt, OSError, DiskFullError)):
            way_on = _resume_command(run.path)
            error.add_note(f"What was done until the last checkpoint is kept. {way_on}")
        raise


def _resume_command(path: Path) -> str:
    return f"Resume with: roborew train --resume {shlex.quote(str(path))}"
