"""``roborew train`` and ``roborew demo``."""

from __future__ import annotations

import json
import shlex
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

from roborew.cli.command import EXIT_INTERRUPTED, Command, print_paths, say
from roborew.config import to_json
from roborew.errors import InvalidInputError
from roborew.storage.run import RunDirectory, new_run_path
from roborew.workflows.train.config import TrainConfig

Settings = Annotated[TrainConfig, tyro.conf.arg(name="")]


@dataclass(frozen=True, kw_only=True)
class Train(Command):
    """Train an agent on a learned reward and judge it by the simulator's truth."""

    config: Settings = field(default_factory=TrainConfig)
    out: Path = Path("runs")
    """Folder of all runs."""
    name: str | None = None
    """Name of the run's own folder, which must not exist; the next free one if not given."""
    resume: Path | None = None
    """Go on with this interrupted run, with its own settings."""

    def run(self, console: Console) -> int:
        """Train and judge."""
        if self.resume is not None:
            if self.config != TrainConfig() or self.name is not None:
                raise InvalidInputError(
                    "--resume takes all settings from the run: give no others beside it."
                )
            return _finish(console, _interrupted(self.resume), film=False)
        config = self.config
        name = new_run_path(
            self.out, config.env.split("/")[-1], Path(config.reward).name, config.agent
        ).name
        return _begin(console, config, self.out / (self.name or name), film=False)


@dataclass(frozen=True, kw_only=True)
class Demo(Command):
    """The whole way in a few minutes: train from a sentence, film, judge over 100 fresh starts,
    report."""

    config: Settings = field(default_factory=TrainConfig)
    out: Path = Path("runs")
    """Folder of all runs."""

    def run(self, console: Console) -> int:
        """Train, film and judge."""
        return _begin(console, self.config, new_run_path(self.out, "demo"), film=True)


def _interrupted(path: Path) -> RunDirectory:
    """The run at ``path``, which must have something left to do."""
    reader = RunDirectory.open(path)
    checkpoint, config = reader.load_checkpoint(), reader.config(TrainConfig)
    done = checkpoint is not None and checkpoint.step >= config.timesteps
    if done and (path / "summary.json").exists():
        raise InvalidInputError(
            f"{path} is finished: nothing is left to train. "
            f"Judge it anew with `roborew evaluate {shlex.quote(str(path))}`."
        )
    return RunDirectory.resume(path)


def _begin(console: Console, config: TrainConfig, path: Path, film: bool) -> int:
    from roborew.workflows.train.loop import start

    return _finish(console, start(config, path), film)


def _finish(console: Console, run: RunDirectory, film: bool) -> int:
    """Train a run to its end, film it if asked, judge it, and say where everything is."""
    from roborew.cli.display import print_evaluation, progress_display
    from roborew.workflows.evaluate import evaluate_run, write_evaluation
    from roborew.workflows.record import record_run
    from roborew.workflows.train.loop import train

    def refreshed(run: RunDirectory, number: int) -> None:
        from roborew.workflows.refit import refresh

        say(
            console, "the critic is fitted anew, to its demonstrations and to episodes of the agent"
        )
        refresh(run, number)

    with run, _hint(run.path):
        config = run.config(TrainConfig)
        say(
            console,
            f"{config.agent} learns “{config.sentence}” in {config.env} from {config.reward}: "
            f"{run.path}",
        )
        with progress_display(console) as observe:
            outcome = train(run, observe, refreshed)
        if outcome.ended == "stopped":
            say(
                console,
                f"stopped after {outcome.steps:,} steps; all of them are kept. "
                f"{_resume_command(run.path)}",
            )
            return EXIT_INTERRUPTED
        films = record_run(run) if film else []
        say(console, "judging over 100 fresh starts")
        result = evaluate_run(run)
        print_evaluation(console, result)
        run.write_json("summary.json", result.full_summary())
        written = write_evaluation(run, result)
    say(console, json.dumps(to_json(result.full_summary())))
    print_paths(
        console,
        {"report": written.report, **{f"video {i}": path for i, path in enumerate(films, 1)}},
    )
    return 0


@contextmanager
def _hint(path: Path) -> Generator[None]:
    """Add to whatever ends the block early how to go on."""
    try:
        yield
    except (Exception, KeyboardInterrupt) as error:
        error.add_note(f"What was done until the last checkpoint is kept. {_resume_command(path)}")
        raise


def _resume_command(path: Path) -> str:
    return f"Go on with: roborew train --resume {shlex.quote(str(path))}"
