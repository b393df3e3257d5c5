"""The command line; a command is one file and one line of `COMMANDS`."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from rich.console import Console
from rich.logging import RichHandler

from roborew.cli.check import Check
from roborew.cli.collect import Collect
from roborew.cli.command import EXIT_ERROR, EXIT_INTERRUPTED, Command, say
from roborew.cli.compare import Compare
from roborew.cli.doctor import Doctor
from roborew.cli.evaluate import Evaluate, Record
from roborew.cli.fit import Fit
from roborew.cli.list import List
from roborew.cli.parse import parse_command
from roborew.cli.score import Score
from roborew.cli.train import Demo, Train
from roborew.errors import RoborewError

COMMANDS: Mapping[str, type[Command]] = MappingProxyType(
    {
        "train": Train,
        "evaluate": Evaluate,
        "record": Record,
        "fit": Fit,
        "score": Score,
        "compare": Compare,
        "collect": Collect,
        "list": List,
        "check": Check,
        "doctor": Doctor,
        "demo": Demo,
    }
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0, 1 (doctor: unwell), 2 (an error, said in one
    line), 130 (Ctrl-C)."""
    if sys.platform == "linux":
        # For environments of others too: MuJoCo's own default needs a screen.
        os.environ.setdefault("MUJOCO_GL", "egl")
    # Torch's threads soon wait asleep: a busy machine is shared.
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    console = Console()
    errors = Console(stderr=True)
    logging.basicConfig(
        format="%(message)s", handlers=[RichHandler(console=errors, show_path=False)]
    )
    words = sys.argv[1:] if arguments is None else arguments
    # Read by hand, as an error may come before the words are parsed.
    debug = "--debug" in words
    try:
        return parse_command(COMMANDS, words).run(console)
    # No traceback even with --debug: it is no fault of the program.
    except KeyboardInterrupt as error:
        _print_error(errors, "interrupted", error)
        return EXIT_INTERRUPTED
    except _expected_errors() as error:
        if debug:
            raise
        _print_error(errors, str(error), error)
        return EXIT_ERROR


def _expected_errors() -> tuple[type[Exception], ...]:
    """Errors whose message is meant for the user; looked up only once something went wrong, as the
    imports are slow.

    An error of a module that was never imported was not raised; and `roborew_envs` itself may be
    what cannot be.
    """
    import gymnasium

    opengl: Any = sys.modules.get("roborew_envs.rendering.opengl")
    return RoborewError, gymnasium.error.Error, *([opengl.RenderError] if opengl else [])


def _print_error(errors: Console, message: str, error: BaseException) -> None:
    for line in (f"roborew: {message}", *getattr(error, "__notes__", [])):
        say(errors, line)
