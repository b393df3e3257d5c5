"""What every command shares: how it is run, and how it speaks."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

import tyro
from rich.console import Console

from roborew.config import to_json

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

LINE_SECONDS = 5.0
"""Least time between two plain lines [s]."""
PIPE_WIDTH = 10_000
"""Where no terminal has a width: every row of a table is one line, for grep and awk."""
EXIT_UNWELL, EXIT_ERROR, EXIT_INTERRUPTED = 1, 2, 130
EXIT_BROKEN_PIPE, EXIT_TERMINATED = 141, 143
"""As a shell counts them: 128 and the number of the signal."""
RunPath = tyro.conf.Positional[Path]
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Command:
    """What every command takes."""

    continue_hint: ClassVar[str] = "Give the same command again."
    """What to do after an interruption."""

    debug: bool = False
    """Show the traceback of an error."""
    json: bool = False
    """Print one line of JSON, and all else on stderr."""

    def print_json(self, content: object) -> None:
        """Print figures as a line of JSON on stdout, where that was asked for."""
        if self.json:
            print(json.dumps(to_json(content)), flush=True)

    def run(self, console: Console) -> int:
        """Do it; return the exit code."""
        raise NotImplementedError


def make_console(*, stderr: bool) -> Console:
    """A console whose tables are as wide as they are where nobody looks at them."""
    console = Console(stderr=stderr)
    return console if is_watched(console) else Console(stderr=stderr, width=PIPE_WIDTH)


def is_watched(console: Console) -> bool:
    """Whether somebody can see bars that move: in a terminal, or in a notebook that has the package
    for it."""
    in_notebook = console.is_jupyter and find_spec("ipywidgets") is not None
    return console.is_terminal or in_notebook


def print_paths(console: Console, paths: Mapping[str, Path]) -> None:
    """Print where each thing is."""
    for name, path in paths.items():
        say(console, f"{name}: {path}")


def say(console: Console, text: str) -> None:
    """Print a line as it is: a goal or a path is no markup and no emoji, and a narrow terminal breaks
    no path."""
    console.print(text, markup=False, highlight=False, emoji=False, soft_wrap=True)


Show = Callable[[str, float, float], None]
"""Shows how far something is: text, done, total."""


def watched(
    console: Console, items: Collection[T], action: str, models: Iterable[object] = ()
) -> Iterator[T]:
    """Give the items one by one with a progress bar; arguments as of `followed`."""
    return (item for item, _ in followed(console, items, action, models))


def followed(
    console: Console, items: Collection[T], action: str, models: Iterable[object] = ()
) -> Iterator[tuple[T, Show]]:
    """Give the items one by one with a progress bar, where somebody can see it, and with
    each a function that shows how far that one is.

    Args:
        console: to show it on.
        items: to give.
        action: what is done with them, in a word.
        models: at work; the questions of their judges get a bar of their own, since one video may
            take thousands.
    """
    from rich.progress import Progress

    judges = [
        judge for model in models if hasattr(judge := getattr(model, "judge", None), "progress")
    ]
    with Progress(console=console, transient=True, disable=not is_watched(console)) as bars:
        # A bar that nothing moves yet is hidden: a judge may answer from its cache alone.
        for judge in judges:
            cast(Any, judge).progress = partial(
                _answered, bars, bars.add_task("questions", total=None, visible=False)
            )
        try:
            all_items = bars.add_task(action, total=len(items), visible=len(items) > 1)
            for item in items:
                # A new bar for each: the time left is reckoned from its own speed.
                task = bars.add_task("", total=None, visible=False)
                yield item, _shower(console, bars, task)
                bars.remove_task(task)
                bars.advance(all_items)
        finally:
            # The judge outlives the bars.
            for judge in judges:
                cast(Any, judge).progress = None


@contextmanager
def counted(console: Console) -> Generator[Show]:
    """Give a function that shows how far something is.

    A bar where somebody can see it, otherwise a line now and then and at each end.
    """
    from rich.progress import Progress

    with Progress(console=console, transient=True, disable=not is_watched(console)) as bar:
        yield _shower(console, bar, bar.add_task(""))


def _shower(console: Console, bars: Progress, task: TaskID) -> Show:
    next_line_at = 0.0

    def show(text: str, done: float, total: float) -> None:
        nonlocal next_line_at
        bars.update(task, description=text, completed=done, total=total, visible=True)
        if is_watched(console):
            return
        # A log file gets a line now and then, and the last one always.
        if monotonic() >= next_line_at or done == total:
            next_line_at = monotonic() + LINE_SECONDS
            say(console, text)

    return show


def _answered(bars: Progress, bar: TaskID, done: int, total: int) -> None:
    bars.update(bar, completed=done, total=total, visible=done < total)
