"""The command line: train | evaluate | record | list | doctor | demo."""

from __future__ import annotations

import json
import logging
import os
import shlex
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import tyro
from rich.console import Console
from rich.logging import RichHandler
from rich.table import Table
from rich.text import Text

from roborew.config import to_json
from roborew.errors import InvalidInputError, RoborewError
from roborew.run import RunDirectory, new_run_path
from roborew.training.config import TRUE_REWARDS, TrainConfig

EXIT_UNWELL, EXIT_ERROR, EXIT_INTERRUPTED = 1, 2, 130
Settings = Annotated[TrainConfig, tyro.conf.arg(name="")]
RunPath = tyro.conf.Positional[Path]


@dataclass(frozen=True, kw_only=True)
class Command:
    """What every command takes."""

    debug: bool = False
    """Show the traceback of an error."""

    def run(self, console: Console) -> int:
        """Do it; return the exit code."""
        raise NotImplementedError


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
                raise InvalidInputError("--resume takes all settings from the run: give no others beside it.")
            return _finish(console, _interrupted(self.resume), film=False)
        config = self.config
        name = new_run_path(self.out, config.env.split("/")[-1], Path(config.reward).name, config.agent).name
        return _begin(console, config, self.out / (self.name or name), film=False)


@dataclass(frozen=True, kw_only=True)
class Demo(Command):
    """The whole way in a few minutes: train from a sentence, film, judge over 100 fresh starts, report."""

    config: Settings = field(default_factory=TrainConfig)
    out: Path = Path("runs")
    """Folder of all runs."""

    def run(self, console: Console) -> int:
        """Train, film and judge."""
        return _begin(console, self.config, new_run_path(self.out, "demo"), film=True)


@dataclass(frozen=True, kw_only=True)
class Evaluate(Command):
    """Judge the agent of a run anew: true success with intervals, nulls, learned against true reward."""

    path: RunPath
    """Folder of the run."""
    episodes: int = 100
    """Fresh starts."""

    def run(self, console: Console) -> int:
        """Judge."""
        from roborew.display import show_judgement
        from roborew.judging import judge, write

        run = RunDirectory.open(self.path)
        _say(console, f"judging {self.path} over {self.episodes} fresh starts")
        judgement = judge(run, self.episodes)
        show_judgement(console, judgement)
        written = write(run, judgement)
        _print_paths(console, {"figures": written.evaluation, "report": written.report})
        return 0


@dataclass(frozen=True, kw_only=True)
class Record(Command):
    """Film the agent of a run, with score, truth and sentence drawn in."""

    path: RunPath
    """Folder of the run."""
    episodes: int = 3
    """Films, one for each of the first judged starts."""

    def run(self, console: Console) -> int:
        """Film."""
        from roborew.filming import film_run

        for film in film_run(RunDirectory.open(self.path), self.episodes):
            _print_paths(console, {"video": film})
        return 0


@dataclass(frozen=True, kw_only=True)
class List(Command):
    """List the environments, rewards or agents that there are."""

    kind: tyro.conf.Positional[Literal["envs", "rewards", "agents"]]
    """What to list."""

    def run(self, console: Console) -> int:
        """List."""
        table = Table(box=None, show_header=False, pad_edge=False)
        for name, summary in _listed(self.kind).items():
            table.add_row(name, summary)
        console.print(table)
        return 0


@dataclass(frozen=True, kw_only=True)
class Doctor(Command):
    """Try drawing, video, the reward's weights and the GPU; fails if the main job cannot run."""

    def run(self, console: Console) -> int:
        """Examine."""
        from roborew.doctor import examine, healthy

        checks = examine()
        table = Table("what", "", "found", "what to do", box=None, header_style="dim", pad_edge=False)
        for check in checks:
            mark = "ok" if check.ok else "FAILS" if check.needed else "no"
            table.add_row(*map(Text, (check.name, mark, check.found, check.remedy)))
        console.print(table)
        well = healthy(checks)
        _say(console, "the main job can run here" if well else "the main job cannot run here: see the lines that FAIL")
        return 0 if well else EXIT_UNWELL


AnyCommand = (
    Annotated[Train, tyro.conf.subcommand("train")]
    | Annotated[Evaluate, tyro.conf.subcommand("evaluate")]
    | Annotated[Record, tyro.conf.subcommand("record")]
    | Annotated[List, tyro.conf.subcommand("list")]
    | Annotated[Doctor, tyro.conf.subcommand("doctor")]
    | Annotated[Demo, tyro.conf.subcommand("demo")]
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0, 1 (doctor: unwell), 2 (an error, said in one line), 130 (Ctrl-C)."""
    if sys.platform == "linux":
        os.environ.setdefault("MUJOCO_GL", "egl")  # for environments of others too: MuJoCo's own default needs a screen
    console, errors = Console(), Console(stderr=True)
    logging.basicConfig(format="%(message)s", handlers=[RichHandler(console=errors, show_path=False)])
    debug = "--debug" in (sys.argv if arguments is None else arguments)
    try:
        parse = cast(Any, tyro.cli)  # its annotations know no union of annotated classes
        command: Command = parse(AnyCommand, args=arguments, prog="roborew", description="")
        return command.run(console)
    except KeyboardInterrupt as error:
        _print_error(errors, "interrupted", error)
        return EXIT_INTERRUPTED
    except _expected_errors() as error:
        if debug:
            raise
        _print_error(errors, str(error), error)
        return EXIT_ERROR


def _expected_errors() -> tuple[type[Exception], ...]:
    """Errors whose message is meant for the user; looked up only once something went wrong, as the imports are slow."""
    import gymnasium

    from roborew_envs.rendering import DrawingError

    return RoborewError, gymnasium.error.Error, DrawingError


def _print_error(errors: Console, message: str, error: BaseException) -> None:
    for line in (f"roborew: {message}", *getattr(error, "__notes__", [])):
        _say(errors, line)


def _interrupted(path: Path) -> RunDirectory:
    """The run at ``path``, which must have something left to do."""
    reader = RunDirectory.open(path)
    checkpoint, config = reader.load_checkpoint(), reader.config(TrainConfig)
    done = checkpoint is not None and checkpoint.step >= config.total_steps
    if done and (path / "summary.json").exists():
        raise InvalidInputError(
            f"{path} is finished: nothing is left to train. "
            f"Judge it anew with `roborew evaluate {shlex.quote(str(path))}`."
        )
    return RunDirectory.resume(path)


def _begin(console: Console, config: TrainConfig, path: Path, film: bool) -> int:
    from roborew.training import start

    return _finish(console, start(config, path), film)


def _finish(console: Console, run: RunDirectory, film: bool) -> int:
    """Train a run to its end, film it if asked, judge it, and say where everything is."""
    from roborew.display import progress_display, show_judgement
    from roborew.filming import film_run
    from roborew.judging import judge, write
    from roborew.training import train

    with run, _hint(run.path):
        config = run.config(TrainConfig)
        _say(console, f"{config.agent} learns “{config.instruction}” in {config.env} from {config.reward}: {run.path}")
        with progress_display(console) as observe:
            outcome = train(run, observe)
        if outcome.ended == "stopped":
            _say(console, f"stopped after {outcome.steps:,} steps; all of them are kept. {_resume_command(run.path)}")
            return EXIT_INTERRUPTED
        films = film_run(run) if film else []
        _say(console, "judging over 100 fresh starts")
        judgement = judge(run)
        show_judgement(console, judgement)
        run.write_json("summary.json", judgement.summary())
        written = write(run, judgement)
    _say(console, json.dumps(to_json(judgement.summary())))
    _print_paths(console, {"report": written.report, **{f"video {i}": path for i, path in enumerate(films, 1)}})
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


def _print_paths(console: Console, paths: Mapping[str, Path]) -> None:
    for name, path in paths.items():
        _say(console, f"{name}: {path}")


def _say(console: Console, text: str) -> None:
    """Print a line as it is: a goal or a path is no markup, and a narrow terminal breaks no path."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _listed(kind: str) -> dict[str, str]:
    from roborew.registry import agents, rewards
    from roborew_envs import make_task, tasks

    if kind == "envs":
        return {name: make_task(name).instruction for name in tasks}
    if kind == "agents":
        return {name: entry.summary for name, entry in agents.items()}
    return {name: entry.summary for name, entry in rewards.items()} | dict(TRUE_REWARDS)
