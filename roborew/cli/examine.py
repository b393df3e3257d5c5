"""``roborew check`` and ``roborew doctor``."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Literal

import tyro
from rich.console import Console
from rich.table import Table
from rich.text import Text

from roborew.cli.command import EXIT_UNWELL, Command, say
from roborew.workflows.parts import ExaminedReward

if TYPE_CHECKING:
    from roborew.workflows.doctor.check import Check as Finding

SEE = "see the lines that FAIL"
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
    """Try drawing, video, the reward's weights and the GPU; or a reward and the judge that it asks, by
    a few questions: does it answer, does it see the pictures, are its replies read, what does a run
    cost? Fails if it cannot do its work."""

    reward: ExaminedReward = field(default_factory=ExaminedReward)

    def run(self, console: Console) -> int:
        """Examine."""
        from roborew.workflows.doctor.check import healthy

        if self.reward.is_given:
            checks, job = self._examine_reward(console), self.reward.chosen().name
        else:
            checks, job = self._examine_machine(console), "the main job"
        well = healthy(checks)
        say(console, f"{job} can run here" if well else f"{job} cannot run here: {SEE}")
        return 0 if well else EXIT_UNWELL

    def _examine_machine(self, console: Console) -> list[Finding]:
        from roborew.workflows.doctor.machine import run_checks

        checks = run_checks()
        _print_checks(console, checks)
        self.print_json(checks)
        return checks

    def _examine_reward(self, console: Console) -> list[Finding]:
        from roborew.workflows.doctor.reward import examine

        examination = examine(self.reward.chosen(), partial(say, console))
        _print_checks(console, examination.checks)
        self.print_json(examination)
        return examination.checks


def _print_checks(console: Console, checks: list[Finding]) -> None:
    table = Table("what", "", "found", "what to do", box=None, header_style="dim", pad_edge=False)
    for check in checks:
        mark = "ok" if check.ok else "FAILS" if check.needed else "no"
        # Text, since square brackets in a driver's name or an error are no markup.
        table.add_row(*map(Text, (check.name, mark, check.finding, check.remedy)))
    console.print(table)
