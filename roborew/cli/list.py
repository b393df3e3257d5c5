"""``roborew list``."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal

import tyro
from rich.console import Console
from rich.table import Table

from roborew.cli.command import Command
from roborew.workflows.train.config import TRUE_REWARDS


@dataclass(frozen=True, kw_only=True)
class List(Command):
    """List the environments, rewards, agents, critics or encoders that there are."""

    kind: tyro.conf.Positional[Literal["envs", "rewards", "agents", "critics", "encoders"]]
    """What to list."""

    def run(self, console: Console) -> int:
        """List."""
        table = Table(box=None, show_header=False, pad_edge=False)
        for name, words in _listed(self.kind).items():
            table.add_row(name, *words)
        console.print(table)
        return 0


def _listed(kind: str) -> dict[str, tuple[str, ...]]:
    """What stands behind each name: a summary, and of critics the papers that they come from."""
    from roborew import registry

    if kind == "envs":
        return {name: (instruction,) for name, instruction in _environments().items()}
    if kind == "critics":
        return {
            name: (e.summary, registry.critics.load(name).spec.paper)
            for name, e in registry.critics.items()
        }
    known = {"rewards": registry.rewards, "agents": registry.agents, "encoders": registry.encoders}[
        kind
    ]
    listed = {name: (entry.summary,) for name, entry in known.items()}
    return listed | (
        {name: (summary,) for name, summary in TRUE_REWARDS.items()} if kind == "rewards" else {}
    )


def _environments() -> dict[str, str]:
    from roborew_envs import TASKS, make_task
    from roborew_envs.suites.instructions import INSTRUCTIONS

    own = {name: make_task(name).instruction for name in TASKS}
    return own | dict(INSTRUCTIONS) if find_spec("metaworld") else own
