"""Agents that learn from demonstrations, and from a perfect dense reward where they take one.

    python -m experiments.agents.demonstrations --work FOLDER [--agent bc] [--count 50]
    [--tasks PickPlace-v0 Stack-v0] [--seeds 0 1 2]

The demonstrations are those of `roborew collect ENV --episodes COUNT`: scripted experts, from starts
that no evaluation has. A row a run goes to ``demonstrations.csv`` beside this file; a run whose row
is there is not run again, and one that was interrupted goes on.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from experiments.agents.run import roborew, train
from experiments.critics.tables import Rows

TASKS = (
    "Reach-v0",
    "Push-v0",
    "PickPlace-v0",
    "Stack-v0",
    "PegInsert-v0",
    "Tidy-v0",
    "Press-v0",
    "DrawerOpen-v0",
    "DrawerClose-v0",
    "DoorOpen-v0",
    "Sweep-v0",
    "TapTurn-v0",
)
KEYS = ("task", "agent", "demonstrations", "seed", "settings")
FIGURES = (
    "true_success",
    "true_success_ci_low",
    "true_success_ci_high",
    "success_at_horizon_without_detector",
    "success_at_any_time_without_detector",
    "cloning_success",
    "expert_success",
    "steps",
    "minutes",
)
RESULTS = Path(__file__).with_name("demonstrations.csv")


def parse_arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line; words that are not known here are those of `roborew train`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True, help="folder of sets and runs")
    parser.add_argument("--agent", default="bc", help="one that takes demonstrations")
    parser.add_argument("--count", type=int, default=50, help="demonstrations")
    parser.add_argument("--tasks", nargs="+", default=TASKS, help="ids without their namespace")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--results", type=Path, default=RESULTS, help="the table")
    options, settings = parser.parse_known_args(words)
    options.settings = [word for word in settings if word != "--"]
    return options


def demonstrations(work: Path, task: str, count: int) -> Path:
    """The set of a task, collected once."""
    path = work / "demos" / f"{task}-{count}"
    if not path.exists():
        roborew("collect", f"roborew/{task}", "--episodes", str(count), "--out", str(path))
    return path


def main(words: Sequence[str] | None = None) -> None:
    """Train whatever has no row yet."""
    options = parse_arguments(words)
    rows = Rows(options.results, KEYS, FIGURES)
    # Seeds outside, so that every task has a first figure early.
    for seed in options.seeds:
        for task in options.tasks:
            key = (task, options.agent, options.count, seed, " ".join(options.settings))
            if key in rows:
                continue
            demos = demonstrations(options.work, task, options.count)
            begin = ["--env", f"roborew/{task}", "--agent", options.agent, "--seed", str(seed)]
            words = [*begin, "--demos", str(demos), *options.settings]
            name = "-".join([task, options.agent, str(options.count), str(seed)])
            summary = train(options.work, name, words)
            rows.add({**summary, **dict(zip(KEYS, key, strict=True))})
            print(*key, summary["true_success"], round(summary["minutes"], 1), flush=True)


if __name__ == "__main__":
    main()
