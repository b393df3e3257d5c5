"""``roborew list``."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal

import tyro
from rich.console import Console
from rich.table import Table

from roborew.cli.command import Command
from roborew.training.config import TRUE_REWARDS


@dataclass(frozen=True, kw_only=True)
class List(Command):
    """List the environments, rewards or agents that there are."""

    kind: tyro.conf.Positional[Literal["envs", "rewards", "agents"]]
    """What to list."""

    def run(self, console: Console) -> int:
        """List."""
        table = Table(box=None, show_header=False, pad_edge=False)
        for name, summary in _listed(self.kind).items():
            table.add_row(name, summary)
        console.print(table)
        return 0


def _listed(kind: str) -> dict[str, str]:
    from roborew.registry import agents, rewards
    from roborew_envs import make_task, tasks
    from roborew_envs.suites.instructions import INSTRUCTIONS

    if kind == "envs":
        own = {name: make_task(name).instruction for name in tasks}
        return own | dict(INSTRUCTIONS) if find_spec("metaworld") else own
    if kind == "agents":
        return {name: entry.summary for name, entry in agents.items()}
    return {name: entry.summary for name, entry in rewards.items()} | dict(TRUE_REWARDS)
