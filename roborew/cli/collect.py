"""``roborew collect``."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.console import Console

from roborew.cli.command import Command, counted, print_paths
from roborew.workflows.collect import CollectConfig

if TYPE_CHECKING:
    from roborew.workflows.collect.collect import CollectStatus


@dataclass(frozen=True, kw_only=True)
class Collect(Command):
    """Write demonstrations, good and bad, with their truth; given again after an interruption, it
    resumes."""

    env: tyro.conf.Positional[str]
    """See `roborew list envs`; also environments of other suites, such as Meta-World/reach-v3."""
    config: Annotated[CollectConfig, tyro.conf.arg(name="")] = field(default_factory=CollectConfig)
    out: Path
    """Folder of the set; it appears when the set is whole, and is never overwritten."""

    def run(self, console: Console) -> int:
        """Record."""
        from roborew.workflows.collect.collect import collect_demonstrations

        with counted(console) as show:

            def observe(status: CollectStatus) -> None:
                show(
                    f"{status.done} of {status.total} episodes, {status.behavior}",
                    status.done,
                    status.total,
                )

            path = collect_demonstrations(self.env, self.config, self.out, observe)
        print_paths(console, {"demonstrations": path})
        self.print_json({"demonstrations": path})
        return 0
