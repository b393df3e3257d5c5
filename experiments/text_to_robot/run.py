"""From a sentence that mini has never read to a robot that truly does it: five seeds, three tasks,
and the baselines.

    python -m experiments.text_to_robot.run --work WORK_FOLDER [--only learned|baselines|wrong]

Every run is one `roborew train` as a user would type it. Results go to ``results.csv`` beside this
file, a row a run, written as soon as the run ends; a run whose row is there is not run again.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from roborew.workflows.evaluate import read_summary

RESULTS = Path(__file__).parent / "results.csv"
GOALS = {
    "roborew/Press-v0": "push the orange button down",
    "roborew/Push-v0": "I want the red cube moved onto the green pad",
    "roborew/DrawerOpen-v0": "pull on the handle to open the drawer",
}
"""The first sentence of each task's paraphrases that no fit has seen."""
WRONG = {
    "roborew/Press-v0": {
        "another task's": "open the drawer",
        "opposite": "switch the lamp off",
        "negation": "do not press the button",
        "nonsense": "colourless green ideas sleep furiously",
    },
    "roborew/DrawerOpen-v0": {
        "another task's": "press the button so that the lamp lights up",
        "opposite": "close the drawer",
        "negation": "do not open the drawer",
        "nonsense": "asdf qwer",
    },
    "roborew/Push-v0": {
        "another task's": "open the drawer",
        "opposite": "push the red cube off the green pad",
        "negation": "do not push the red cube onto the green pad",
        "wrong object": "push the blue cube onto the green pad",
    },
}
LEARNED_SEEDS, BASELINE_SEEDS, WRONG_SEED = range(11, 16), range(11, 14), 11
"""None of these seeds was used in making mini, whose agents have seeds from 100 on."""
FIGURES = (
    "steps",
    "minutes",
    "sps",
    "true_success",
    "true_success_ci_low",
    "true_success_ci_high",
    "episodes",
    "success_at_any_time",
    "predicted_success_precision",
    "false_success_rate",
    "false_success_state_rate",
    "spearman_per_episode",
    "random_success",
    "expert_success",
)
HEADER = ("group", "environment", "reward", "condition", "seed", "goal", *FIGURES)


@dataclass(frozen=True, slots=True)
class Job:
    """One training run."""

    group: str
    environment: str
    reward: str
    condition: str
    seed: int
    goal: str

    @property
    def key(self) -> tuple[str, ...]:
        """What tells its row from the others."""
        return (self.group, self.environment, self.reward, self.condition, str(self.seed))


def jobs(group: str) -> list[Job]:
    """The runs of a group: learned, baselines or wrong."""
    if group == "learned":
        return [
            Job(group, env, "mini", "held-out sentence", s, goal)
            for s in LEARNED_SEEDS
            for env, goal in GOALS.items()
        ]
    if group == "baselines":
        kinds = ("oracle-dense", "oracle-sparse")
        return [
            Job(group, e, k, "truth", s, goal)
            for s in BASELINE_SEEDS
            for e, goal in GOALS.items()
            for k in kinds
        ]
    return [
        Job(group, env, "mini", kind, WRONG_SEED, goal)
        for env, row in WRONG.items()
        for kind, goal in row.items()
    ]


def run(job: Job, work: Path) -> dict[str, Any]:
    """Train as a user would; returns the run's summary.

    Raises:
        subprocess.CalledProcessError: the run failed; its output is in the log beside its folder.
    """
    name = "-".join([*job.key]).replace("/", "-").replace(" ", "-").replace("'", "")
    command = [
        sys.executable,
        "-m",
        "roborew",
        "train",
        "--env",
        job.environment,
        "--instruction",
        job.goal,
    ]
    command += ["--reward", job.reward, "--seed", str(job.seed), "--out", str(work), "--name", name]
    work.mkdir(parents=True, exist_ok=True)
    with (work / f"{name}.log").open("w") as log:
        subprocess.run(command, check=True, stdout=log, stderr=subprocess.STDOUT)
    return read_summary(work / name)


def done() -> set[tuple[str, ...]]:
    """Keys of the rows that are there."""
    if not RESULTS.is_file():
        with RESULTS.open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerow(HEADER)
    with RESULTS.open(newline="") as file:
        return {tuple(row[:5]) for row in list(csv.reader(file))[1:]}


def run_all(todo: Sequence[Job], work: Path, at_once: int) -> None:
    """Run the jobs and write their rows."""
    lock = Lock()

    def one(job: Job) -> None:
        summary = run(job, work)
        figures = [summary.get(name) for name in FIGURES]
        cells = [
            f"{value:.4f}" if isinstance(value, float) else "" if value is None else str(value)
            for value in figures
        ]
        with lock, RESULTS.open("a", newline="") as file:
            csv.writer(file, lineterminator="\n").writerow([*job.key, job.goal, *cells])
        print(
            *job.key,
            "true success",
            summary["true_success"],
            f"{summary['minutes']:.1f} min",
            flush=True,
        )

    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(one, todo))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True, help="folder for the run directories")
    parser.add_argument("--only", choices=["learned", "baselines", "wrong"], action="append")
    parser.add_argument(
        "--at-once", type=int, default=2, help="runs side by side, one thread of torch each"
    )
    options = parser.parse_args()
    present = done()
    groups = options.only or ["learned", "baselines", "wrong"]
    todo = [job for group in groups for job in jobs(group) if job.key not in present]
    run_all(todo, options.work, options.at_once)


if __name__ == "__main__":
    main()
