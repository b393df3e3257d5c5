"""What every command shares: how it is run, and how it speaks."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import tyro
from rich.console import Console

EXIT_UNWELL, EXIT_ERROR, EXIT_INTERRUPTED = 1, 2, 130
RunPath = tyro.conf.Positional[Path]
T = TypeVar("T")


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


def watched(console: Console, things: Collection[T], what: str) -> Iterator[T]:
    """Give the things one by one with a progress bar, where there is a terminal to show it."""
    from rich.progress import track

    yield from track(things, what, len(things), console=console, transient=True, disable=not console.is_terminal)
