"""``roborew check`` and ``roborew doctor``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import tyro
from rich.console import Console
from rich.table import Table
from rich.text import Text

from roborew.cli.command import EXIT_UNWELL, Command, say

MARKS = {"kept": "✓", "broken": "✗", "skipped": "-"}


@dataclass(frozen=True, kw_only=True)
class Check(Command):
    """Hold a reward, critic, encoder, agent, judge or task, also one of your own, to the laws of its
    kind."""

    name: tyro.conf.Positional[str]
    """A name of `roborew list`, package.module:Class, or the folder of a reward's weights."""
    options: tyro.conf.Positional[tuple[str, ...]] = ()
    """Settings of the part as key=value."""
    kind: Literal["reward", "critic", "encoder", "agent", "judge", "task"] | None = None
    """What it is; found out if not given."""

    def run(self, console: Console) -> int:
        """Check."""
        from roborew.workflows.check import check_part

        kind, outcomes = check_part(self.name, self.options, self.kind)
        say(console, f"{self.name} as {kind}")
        for outcome in outcomes:
            line = f"{MARKS[outcome.verdict]} {outcome.law}"
            if outcome.detail:
                line += f": {outcome.detail}"
            say(console, line)
        verdicts = [outcome.verdict for outcome in outcomes]
        num_broken = verdicts.count("broken")
        num_kept = verdicts.count("kept")
        say(console, f"{num_kept} of {len(verdicts)} laws kept, {num_broken} broken")
        self.print_json({"kind": kind, "laws": outcomes})
        # A skipped law, such as one that needs a GPU, is no failure.
        return EXIT_UNWELL if num_broken else 0


@dataclass(frozen=True, kw_only=True)
class Doctor(Command):
    """Try drawing, video, the reward's weights and the GPU; fails if the main job cannot run."""

    def run(self, console: Console) -> int:
        """Examine."""
        from roborew.workflows.doctor import healthy, run_checks

        checks = run_checks()
        table = Table(
            "what", "", "found", "what to do", box=None, header_style="dim", pad_edge=False
        )
        for check in checks:
            mark = "ok" if check.ok else "FAILS" if check.needed else "no"
            # Text, since square brackets in a driver's name or an error are no markup.
            table.add_row(*map(Text, (check.name, mark, check.finding, check.remedy)))
        console.print(table)
        self.print_json(checks)
        well = healthy(checks)
        say(
            console,
            "the main job can run here"
            if well
            else "the main job cannot run here: see the lines that FAIL",
        )
        return 0 if well else EXIT_UNWELL
