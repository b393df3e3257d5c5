"""``roborew list``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal

import tyro
from rich.console import Console
from rich.table import Table

from roborew.cli.command import Command, say

if TYPE_CHECKING:
    from roborew.registry import Registry


@dataclass(frozen=True, kw_only=True)
class List(Command):
    """List the environments, rewards, critics, encoders, judges or agents that there are."""

    kind: tyro.conf.Positional[
        Literal["envs", "rewards", "critics", "encoders", "judges", "agents"]
    ]
    """What to list."""

    def run(self, console: Console) -> int:
        """List."""
        rows = _rows(self.kind)
        if self.json:
            self.print_json(rows)
            return 0
        if not console.is_terminal:
            # One line an entry, so that grep and awk can read it.
            width = max(map(len, rows))
            for name, text in rows.items():
                say(console, f"{name:{width}}  {text}")
            return 0
        table = Table(box=None, show_header=False, pad_edge=False)
        for name, text in rows.items():
            table.add_row(name, text)
        console.print(table)
        return 0


def _rows(kind: str) -> dict[str, str]:
    """What stands behind each name."""
    from roborew import registry

    if kind == "envs":
        return _environments()
    if kind == "rewards":
        from roborew.workflows.parts import ORACLE_REWARDS, TAUGHT_REWARDS

        return _parts(registry.rewards) | dict(TAUGHT_REWARDS) | dict(ORACLE_REWARDS)
    return _parts(getattr(registry, kind))


def _parts(parts: Registry) -> dict[str, str]:
    """What each part is, where it comes from and what it needs, or what is wrong with it."""
    problems: Mapping[str, str] = parts.problems()
    rows: dict[str, str] = {}
    for name, entry in parts.items():
        if name in problems:
            rows[name] = problems[name]
            continue
        facts: list[str] = []
        if entry.paper:
            facts.append(entry.paper)
        if entry.needs:
            facts.append(f"needs {entry.needs}")
        if entry.example:
            facts.append(entry.example)
        rows[name] = f"{entry.summary} ({'; '.join(facts)})" if facts else entry.summary
    return rows


def _environments() -> dict[str, str]:
    from roborew_envs import TASKS, make_task
    from roborew_envs.suites.instructions import INSTRUCTIONS

    # A broken task of another package says what is wrong with it; the others are listed.
    problems = TASKS.problems()
    rows = {name: problems.get(name) or make_task(name).instruction for name in TASKS}
    if find_spec("metaworld") is not None:
        rows |= INSTRUCTIONS
    return rows
