"""The command line; a command is one file and one line of `COMMANDS`."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from rich.logging import RichHandler

from roborew import __version__
from roborew.cli.collect import Collect
from roborew.cli.command import Command, make_console
from roborew.cli.compare import Compare
from roborew.cli.error_boundary import run_guarded
from roborew.cli.evaluate import Evaluate, Record
from roborew.cli.examine import Check, Doctor
from roborew.cli.fit import Fit
from roborew.cli.list import List
from roborew.cli.parse import command_name, parse_command
from roborew.cli.score import Score
from roborew.cli.serve import Label, Serve
from roborew.cli.train import Demo, Train

COMMANDS: Mapping[str, type[Command]] = MappingProxyType(
    {
        "train": Train,
        "evaluate": Evaluate,
        "record": Record,
        "fit": Fit,
        "label": Label,
        "score": Score,
        "compare": Compare,
        "collect": Collect,
        "serve": Serve,
        "list": List,
        "check": Check,
        "doctor": Doctor,
        "demo": Demo,
    }
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0, 1 (doctor: unwell; score: not one score), 2 (an
    error, said in one line), 130 (Ctrl-C), 141 (nobody reads the output), 143 (SIGTERM)."""
    if sys.platform == "linux":
        # For environments of others too: MuJoCo's own default needs a screen.
        os.environ.setdefault("MUJOCO_GL", "egl")
    # Torch's threads soon wait asleep: a busy machine is shared.
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    words = sys.argv[1:] if arguments is None else arguments
    if words[:1] == ["--version"]:
        print(f"roborew {__version__}")
        return 0
    # Both are read by hand, as an error may come before the words are parsed.
    debug = "--debug" in words
    console = make_console(stderr="--json" in words)
    errors = make_console(stderr=True)
    logging.basicConfig(
        format="%(message)s", handlers=[RichHandler(console=errors, show_path=False)]
    )
    return run_guarded(
        lambda: parse_command(COMMANDS, words, errors).run(console),
        errors,
        debug=debug,
        continue_hint=lambda: _continue_hint(words),
    )


def _continue_hint(words: Sequence[str]) -> str:
    kind = COMMANDS.get(command_name(words), Command)
    return kind.continue_hint
