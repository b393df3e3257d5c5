"""What every command shares: how it is run, and how it speaks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import tyro
from rich.console import Console

EXIT_UNWELL, EXIT_ERROR, EXIT_INTERRUPTED = 1, 2, 130
RunPath = tyro.conf.Positional[Path]


@dataclass(frozen=True, kw_only=True)
class Command:
    """What every command takes."""

    debug: bool = False
    """Show the traceback of an error."""

    def run(self, console: Console) -> int:
        """Do it; return the exit code."""
        raise NotImplementedError


def print_paths(console: Console, paths: Mapping[str, Path]) -> None:
    """Print where each thing is."""
    for name, path in paths.items():
        say(console, f"{name}: {path}")


def say(console: Console, text: str) -> None:
    """Print a line as it is: a goal or a path is no markup, and a narrow terminal breaks no path."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)
