"""Where every scripted behaviour ends, by the truth: ``python -m
experiments.task_gallery.behaviours``."""

from __future__ import annotations

import argparse
import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import get_args

import numpy as np

from roborew_envs import TASKS, Task, make_task
from roborew_envs.experts.behaviours import Behaviour, behaviours
from roborew_envs.experts.grading import Grade, Pace
from roborew_envs.experts.rollout import demonstrate, expert_pace, grades

FILE = Path(__file__).with_name("behaviours.csv")
FIRST_SEED = 900_000
MANY, OTHERS = 200, 50
"""Episodes of `OFTEN`, and of every other behaviour."""
OFTEN = ("expert", "slow")
"""Behaviours that must end in success."""
Row = dict[str, str]


def measure(task: Task, behaviour: Behaviour, pace: Pace, seeds: range) -> Row:
    """Shares of episodes that reach success, that end in it, and of every grade; the median
    progress at the end."""
    episodes = demonstrate(task, behaviour, seeds)
    graded = Counter(grades(task, episodes, pace))
    figures = {
        "reached": np.mean([episode.success.any() for episode in episodes]),
        "at_end": np.mean([episode.success[-1] for episode in episodes]),
        "progress_at_end": np.median([episode.progress[-1] for episode in episodes]),
        **{f"graded_{grade}": graded[grade] / len(episodes) for grade in get_args(Grade)},
    }
    named = {"task": task.id, "behaviour": behaviour, "episodes": str(len(episodes))}
    return named | {name: f"{value:.3f}" for name, value in figures.items()}


def rows(only: Sequence[str], shown: Sequence[str]) -> Iterator[Row]:
    """A row for every one of these behaviours of every one of these tasks that has a plan; none
    given: for all."""
    for task in map(make_task, only or TASKS):
        if task.scripted_policy is not None:
            pace = expert_pace(task)
            for behaviour in (name for name in behaviours(task) if not shown or name in shown):
                count = MANY if behaviour in OFTEN else OTHERS
                yield measure(task, behaviour, pace, range(FIRST_SEED, FIRST_SEED + count))


def table(measured: list[Row]) -> str:
    """Markdown: a line a task, a column a behaviour, the share that ends in success in per cent."""
    names = get_args(Behaviour)
    lines = [
        "| task | " + " | ".join(name.replace("_", " ") for name in names) + " |",
        "|---" * (len(names) + 1) + "|",
    ]
    for task_id in dict.fromkeys(row["task"] for row in measured):
        ends = {
            row["behaviour"]: f"{100 * float(row['at_end']):.1f}"
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
        prog="python -m experiments.task_gallery.behaviours", description=__doc__
    )
    parser.add_argument(
        "--only", nargs="*", default=[], metavar="ID", help="tasks whose rows are measured anew"
    )
    parser.add_argument(
        "--behaviours", nargs="*", default=[], choices=get_args(Behaviour), help="and only these"
    )
    options = parser.parse_args()
    found = {(row["task"], row["behaviour"]): row for row in read()}
    for row in rows(options.only, options.behaviours):
        print(*row.values(), flush=True)
        found[row["task"], row["behaviour"]] = row
    names = get_args(Behaviour)
    measured = [found[task, name] for task in TASKS for name in names if (task, name) in found]
    with FILE.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, measured[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(measured)
    print(table(measured))


if __name__ == "__main__":
    main()
