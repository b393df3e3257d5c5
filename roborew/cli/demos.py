"""``roborew demos``."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.console import Console

from roborew.cli.command import Command, print_paths, say
from roborew.demos import DemosConfig

if TYPE_CHECKING:
    from roborew.demos.recording import DemosStatus

LINE_SECONDS = 5.0
"""Least time between two plain lines [s]."""


@dataclass(frozen=True, kw_only=True)
class Demos(Command):
    """Write demonstrations, good and bad, with their truth; given again after an interruption, it goes on."""

    env: tyro.conf.Positional[str]
    """See `roborew list envs`; also environments of other suites, such as Meta-World/reach-v3."""
    config: Annotated[DemosConfig, tyro.conf.arg(name="")] = field(default_factory=DemosConfig)
    out: Path
    """Folder of the set; it appears when the set is whole, and is never overwritten."""

    def run(self, console: Console) -> int:
        """Record."""
        from roborew.demos.recording import record_demonstrations

        with _shown(console) as observe:
            path = record_demonstrations(self.env, self.config, self.out, observe)
        print_paths(console, {"demonstrations": path})
        return 0


@contextmanager
def _shown(console: Console) -> Generator[Callable[[DemosStatus], None]]:
    """Give a function that shows how far the set is: a bar, or a line now and then where there is no terminal."""
    from rich.progress import Progress

    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task, due = bar.add_task(""), 0.0

        def show(status: DemosStatus) -> None:
            nonlocal due
            text = f"{status.done} of {status.total} episodes, {status.behaviour}"
            bar.update(task, description=text, completed=status.done, total=status.total)
            if not console.is_terminal and (monotonic() >= due or status.done == status.total):
                due = monotonic() + LINE_SECONDS
                say(console, text)

        yield show
