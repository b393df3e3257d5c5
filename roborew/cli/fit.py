"""``roborew fit``."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.console import Console

from roborew.cli.command import Command, counted, print_paths, say
from roborew.errors import RunExistsError
from roborew.workflows.fit import FitConfig

if TYPE_CHECKING:
    from roborew.workflows.fit.critic_metrics import Table

Settings = Annotated[FitConfig, tyro.conf.arg(name="")]


@dataclass(frozen=True, kw_only=True)
class Fit(Command):
    """Learn a reward from demonstration videos: a LeRobot data set, a folder of videos, or
    one file."""

    demonstrations: tyro.conf.Positional[Path]
    """Folder or file of demonstrations."""
    config: Settings = field(default_factory=FitConfig)
    instruction: Annotated[str | None, tyro.conf.arg(aliases=("--goal",))] = None
    """What the videos show, where they do not say so themselves; for a LeRobot data set in place of
    its own sentences."""
    out: Path | None = None
    """Folder for the critic, which must not exist; critics/<name of the demonstrations> if not
    given."""

    def run(self, console: Console) -> int:
        """Fit, evaluate on held-out episodes, write the critic and its card."""
        from roborew.data.reading import describe_left_out, read_demonstrations
        from roborew.workflows.fit import fit_critic
        from roborew.workflows.fit.model_card import default_folders, describe_weakness, write
        from roborew.workflows.fit.preferences import preferences_for
        from roborew.workflows.train.loop import torch_threads

        self._check_out()
        out = self.out or default_folders(self.demonstrations)
        demonstrations = read_demonstrations(self.demonstrations, self.instruction)
        if demonstrations.left_out:
            say(console, describe_left_out(demonstrations.left_out))
        say(
            console,
            f"fitting {self.config.critic.name} to {len(demonstrations)} demonstrations in "
            f"{self.demonstrations}",
        )
        preferences = preferences_for(self.demonstrations, self.config.critic.name)
        if preferences:
            say(console, f"learning from {len(preferences)} labels of pairs, and from nothing else")
        with torch_threads(self.config.threads), counted(console) as show:
            fitted = fit_critic(
                list(demonstrations), self.config, _counting(show), preferences=preferences
            )
            show("evaluating on held-out episodes", 0, 1)
            command = "roborew " + shlex.join(sys.argv[1:])
            folder, table = write(fitted, out, self.demonstrations.name, command)
        seconds = ", ".join(f"{part} {value:.1f} s" for part, value in fitted.seconds.items())
        say(console, f"{sum(fitted.seconds.values()):.1f} s ({seconds})")
        _say_table(console, table)
        if warning := describe_weakness(table, self.config.encoder):
            say(console, warning)
        print_paths(console, {"critic": folder, "card": folder / "card.md"})
        values = {
            name: {metric: measure.value for metric, measure in row.items()}
            for name, row in table.items()
        }
        self.print_json({"critic": folder, "figures": values})
        return 0

    def _check_out(self) -> None:
        """Refuse a folder that is there before the fit, which may take long."""
        if self.out is not None and os.path.lexists(self.out):
            raise RunExistsError(
                f"{self.out} exists and is never overwritten; nothing was written. Choose another "
                "--out."
            )


def _counting(show: Callable[[str, int, int], None]) -> Callable[[str, float], None]:
    """Show what counts up to a number beside the last figure."""
    figure = ""

    def say(name: str, value: float) -> None:
        nonlocal figure
        label, counts, total = name.rpartition(", of ")
        # A count makes the bar; what comes without one waits to be shown beside it.
        if counts:
            show(f"{label} {value:.0f} of {total}{figure}", int(value), int(total))
            figure = ""
        else:
            figure = f", {name} {value:.4f}"

    return say


def _say_table(console: Console, table: Table) -> None:
    for name, row in table.items():
        # A metric that is not applicable is left out, as a line has no columns to align.
        cells = [
            f"{metric} {measure.value:.3f}"
            for metric, measure in row.items()
            if measure.value is not None
        ]
        say(console, f"{name}: {', '.join(cells)}")
