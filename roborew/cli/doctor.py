"""``roborew doctor``."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console
from rich.table import Table
from rich.text import Text

from roborew.cli.command import EXIT_UNWELL, Command, say


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
