"""Tables of the site that are made from the registries, the tasks and the command line, so that they cannot rot.

A page writes ``<!-- table: rewards -->``, or ``<!-- help: train -->`` for what ``roborew train --help`` prints.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from roborew import registry
from roborew.config import keyword_options
from roborew.critics.objective import Objective
from roborew_envs import TASKS, Task, make_task

PAPER = re.compile(r"arXiv:(\d{4}\.\d{5})")
MARKER = re.compile(r"<!-- (table|help): ([a-z_]+) -->")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the picture of the front page, which lies beside the README."""
    picture = Path(config.config_file_path).parent / "videos" / "tasks.gif"
    files.append(File.generated(config, "tasks.gif", abs_src_path=str(picture)))
    return files


def on_page_markdown(markdown: str, **kwargs: Any) -> str:
    """Put the tables where a page names them; called by MkDocs for each page."""
    del kwargs
    return MARKER.sub(lambda marker: made(*marker.groups()), markdown)


def made(kind: str, name: str) -> str:
    """A table, or the help of a command."""
    return help_of(name) if kind == "help" else TABLES[name]()


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Markdown of a table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def paper(text: str) -> str:
    """The paper with its arXiv number as a link."""
    return PAPER.sub(r"[arXiv:\1](https://arxiv.org/abs/\1)", text)


def parts(kind: registry.Registry) -> str:
    """Every part of a registry: name, what it is, its paper, what a user must bring, an example, other
    names."""
    rows = [
        [
            f"`{name}`",
            entry.summary,
            paper(entry.paper) or "ours",
            entry.needs or "nothing",
            f"`{entry.example}`" if entry.example else "",
            ", ".join(f"`{alias}`" for alias in entry.aliases),
        ]
        for name, entry in kind.items()
    ]
    return table(["name", "what it is", "paper", "you bring", "for example", "also called"], rows)


def promises() -> str:
    """What each critic promises of its scores."""
    rows: list[list[str]] = []
    for name in registry.critics:
        objective: type[Objective] = registry.critics.load(name)
        spec = objective.spec
        reads = "the episode so far" if spec.context is None else f"{spec.context} frame(s)"
        rows.append(
            [
                f"`{name}`",
                reads,
                "yes" if spec.causal else "no: whole episodes",
                "yes" if spec.needs_goal_image else "no",
                "yes" if spec.predicts_success else "after calibration",
                ", ".join(f"`{option}`" for option in keyword_options(objective)),
            ]
        )
    head = ["name", "reads", "causal", "goal picture", "predicts success", "settings"]
    return table(head, rows)


def tasks() -> str:
    """Every task: its sentence, cameras, horizon, whether it ends before that, stages."""
    rows: list[list[str]] = []
    for task_id in TASKS:
        task = make_task(task_id)
        cameras = ", ".join(f"`{camera}`" for camera in task.cameras)
        stages = ", ".join(task.stages)
        ends_early = "at a failure" if type(task).failed is not Task.failed else "no"
        steps = str(task.horizon)
        rows.append([f"`{task_id}`", task.instruction, cameras, steps, ends_early, stages])
    return table(["id", "instruction", "cameras", "steps", "ends early", "stages"], rows)


def help_of(command: str) -> str:
    """What ``roborew COMMAND --help`` prints, without colors."""
    words = [sys.executable, "-m", "roborew", *([] if command == "all" else [command]), "--help"]
    plain = os.environ | {"NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "90"}
    done = subprocess.run(words, capture_output=True, text=True, check=True, env=plain)
    return f"```text\n{done.stdout.strip()}\n```"


TABLES: dict[str, Callable[[], str]] = {
    "rewards": lambda: parts(registry.rewards),
    "critics": lambda: parts(registry.critics),
    "promises": promises,
    "encoders": lambda: parts(registry.encoders),
    "judges": lambda: parts(registry.judges),
    "agents": lambda: parts(registry.agents),
    "tasks": tasks,
}
