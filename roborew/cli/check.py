"""``roborew check``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import tyro
from rich.console import Console

from roborew.cli.command import EXIT_UNWELL, Command, say

MARKS = {"kept": "✓", "broken": "✗", "skipped": "-"}


@dataclass(frozen=True, kw_only=True)
class Check(Command):
    """Hold a reward, critic, encoder, agent or task, also one of your own, to the laws of its kind."""

    name: tyro.conf.Positional[str]
    """A name of `roborew list`, or package.module:Class."""
    options: tyro.conf.Positional[tuple[str, ...]] = ()
    """Settings of the part as key=value."""
    kind: Literal["reward", "critic", "encoder", "agent", "task"] | None = None
    """What it is; found out if not given."""

    def run(self, console: Console) -> int:
        """Check."""
        from roborew.workflows.check import check_part

        kind, outcomes = check_part(self.name, self.options, self.kind)
        say(console, f"{self.name} as {kind}")
        for outcome in outcomes:
            detail = f": {outcome.detail}" if outcome.detail else ""
            say(console, f"{MARKS[outcome.verdict]} {outcome.law}{detail}")
        broken = [outcome for outcome in outcomes if outcome.verdict == "broken"]
        kept = [outcome for outcome in outcomes if outcome.verdict == "kept"]
        say(console, f"{len(kept)} of {len(outcomes)} laws kept, {len(broken)} broken")
        return EXIT_UNWELL if broken else 0
