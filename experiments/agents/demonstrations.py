"""Agents that learn from demonstrations, and from a perfect dense reward where they take one.

    python -m experiments.agents.demonstrations --work FOLDER [--agent bc] [--count 50]
    [--tasks PickPlace-v0 Stack-v0] [--seeds 0 1 2]

The demonstrations are those of `roborew collect ENV --episodes COUNT`: scripted experts, from starts
that no evaluation has. A row a run goes to ``demonstrations.csv`` beside this file; a run whose row
is there is not run again, and one that was interrupted goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from experiments.agents.run import (
    TASKS,
    PlannedRun,
    agents_parser,
    camera_words,
    fill_table,
    parse_arguments,
    roborew,
)
from experiments.critics.tables import Rows

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


def demonstrations(work: Path, task: str, count: int, cameras: Sequence[str] = ()) -> Path:
    """The set of a task, collected once.

    Args:
        work: folder of all sets.
        task: id without its namespace.
        count: experts.
        cameras: that they are seen by, for a reward that is to pay them; the first one if none.
    """
    path = work / "demos" / "-".join([task, str(count), *cameras])
    if not path.exists():
        words = ["--episodes", str(count), *camera_words(cameras), "--out", str(path)]
        roborew("collect", f"roborew/{task}", *words)
    return path


def demonstration_words(
    work: Path, task: str, count: int, cameras: Sequence[str] = ()
) -> list[str]:
    """Words of `roborew train` that give an agent so many demonstrations; none for 0."""
    return ["--demos", str(demonstrations(work, task, count, cameras))] if count else []


def main(words: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = agents_parser(__doc__, TASKS, "bc", RESULTS)
    parser.add_argument("--count", type=int, default=50, help="demonstrations")
    options = parse_arguments(parser, words)
    settings = " ".join(options.settings)

    def plan(task: str, seed: int) -> PlannedRun:
        key = (task, options.agent, options.count, seed, settings)
        return key, lambda: demonstration_words(options.work, task, options.count)

    fill_table(options, Rows(options.results, KEYS, FIGURES), plan)


if __name__ == "__main__":
    main()
