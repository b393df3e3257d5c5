"""Where every scripted behavior ends, by the truth: ``python -m
experiments.task_gallery.behaviors``."""

from __future__ import annotations

import argparse
import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import get_args

import numpy as np

from roborew_envs import TASKS, Task, make_task
from roborew_envs.experts.behaviors import (
    SCRIPTED_BEHAVIORS,
    Behavior,
    available_behaviors,
)
from roborew_envs.experts.grading import ExpertPace, Grade
from roborew_envs.experts.rollout import collect_episodes, grade_episodes, measure_expert_pace

FILE = Path(__file__).with_name("behaviors.csv")
FIRST_SEED = 900_000
MANY, OTHERS = 200, 50
"""Episodes of `OFTEN`, and of every other behavior."""
OFTEN = ("expert", "slow")
"""Behaviors that must end in success."""
Row = dict[str, str]


def measure(task: Task, behavior: Behavior, pace: ExpertPace, seeds: range) -> Row:
    """Shares of episodes that reach success, that end in it, and of every grade; the median
    progress at the end."""
    episodes = collect_episodes(task, behavior, seeds)
    graded = Counter(grade_episodes(task, episodes, pace))
    figures = {
        "reached": np.mean([episode.success.any() for episode in episodes]),
        "at_end": np.mean([episode.success[-1] for episode in episodes]),
        "progress_at_end": np.median([episode.progress[-1] for episode in episodes]),
        **{f"graded_{grade}": graded[grade] / len(episodes) for grade in get_args(Grade)},
    }
    named = {"task": task.id, "behavior": behavior, "episodes": str(len(episodes))}
    return named | {name: f"{value:.3f}" for name, value in figures.items()}


def rows(only: Sequence[str], shown: Sequence[str]) -> Iterator[Row]:
    """A row for every one of these behaviors of every one of these tasks that has a plan; none
    given: for all."""
    for task in map(make_task, only or TASKS):
        if task.scripted_policy is not None:
            pace = measure_expert_pace(task)
            for behavior in (
                name for name in available_behaviors(task) if not shown or name in shown
            ):
                count = MANY if behavior in OFTEN else OTHERS
                yield measure(task, behavior, pace, range(FIRST_SEED, FIRST_SEED + count))


def table(measured: list[Row]) -> str:
    """Markdown: a line a task, a column a behavior, the share that ends in success in per cent."""
    names = SCRIPTED_BEHAVIORS
    lines = [
        "| task | " + " | ".join(name.replace("_", " ") for name in names) + " |",
        "|---" * (len(names) + 1) + "|",
    ]
    for task_id in dict.fromkeys(row["task"] for row in measured):
        ends = {
            row["behavior"]: f"{100 * float(row['at_end']):.1f}"
            for row in measured
            if row["task"] == task_id
        }
        lines.append(f"| {task_id} | " + " | ".join(ends.get(name, "-") for name in names) + " |")
    return "\n".join(lines) + "\n"


def read() -> list[Row]:
    """The rows measured last."""
    with FILE.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.task_gallery.behaviors", description=__doc__
    )
    parser.add_argument(
        "--only", nargs="*", default=[], metavar="ID", help="tasks whose rows are measured anew"
    )
    parser.add_argument(
        "--behaviors", nargs="*", default=[], choices=SCRIPTED_BEHAVIORS, help="and only these"
    )
    options = parser.parse_args()
    found = {(row["task"], row["behavior"]): row for row in read()}
    for row in rows(options.only, options.behaviors):
        print(*row.values(), flush=True)
        found[row["task"], row["behavior"]] = row
    names = SCRIPTED_BEHAVIORS
    measured = [found[task, name] for task in TASKS for name in names if (task, name) in found]
    with FILE.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, measured[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(measured)
    print(table(measured))


if __name__ == "__main__":
    main()
