"""Agents that are paid a perfect dense reward, as `roborew train` trains them by default, in all tasks.

    python -m experiments.agents.run --work FOLDER [--tasks CartPole-v1 Hopper-v1] [--seeds 0 1 2]
    [--agent ppo] [-- further words of `roborew train`]

Each run is one `roborew train --reward oracle-dense` in a process of its own, on one thread. A row a
run goes to ``results.csv`` beside this file; a run whose row is there is not run again, and one that
was interrupted goes on.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.critics.tables import Rows
from roborew.workflows.evaluate import read_summary

HAND_TASKS = (
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
"""Tasks in which a hand moves things."""
BODY_TASKS = (
    "CartPole-v1",
    "MountainCar-v0",
    "Cheetah-v0",
    "Hopper-v1",
    "Walker-v1",
    "Ant-v1",
    "QuadrupedStand-v1",
    "HumanoidStand-v0",
    "HumanoidKneel-v0",
    "HumanoidRaiseArms-v0",
    "HumanoidHandsOnHips-v0",
    "HumanoidArmsCrossed-v0",
    "HumanoidOneLeg-v0",
    "HumanoidSideSplits-v0",
    "HumanoidLotus-v0",
)
"""Tasks in which the whole body moves."""
TASKS = (*HAND_TASKS, *BODY_TASKS)
KEYS = ("task", "agent", "seed", "settings")
FIGURES = (
    "true_success",
    "true_success_ci_low",
    "true_success_ci_high",
    "success_at_any_time",
    "success_at_horizon_without_detector",
    "final_progress",
    "steps",
    "minutes",
)
RESULTS = Path(__file__).with_name("results.csv")
IMITATING_SAC = (
    *("--agent", "sac", "--agent.batch-size", "128", "--agent.gamma", "0.97"),
    *("--agent.gradient-steps", "16", "--num-envs", "16"),
    *("--agent.cloning-coef", "2", "--score-every", "1"),
)
"""`sac` for a few demonstrations, with one gradient step an action."""
ENCODER_STEPS = 3000
"""Gradient steps of a critic's encoder, the default of `roborew fit`."""
PAY_EACH_STATE = ("--shaping", "raw", "--success-detector.enabled", "False")
"""A state is paid what it is worth, so that a goal is worth holding, and no guess ends an episode."""


def agents_parser(
    description: str | None, tasks: Sequence[str], agent: str, results: Path
) -> argparse.ArgumentParser:
    """What every table of agents is asked for.

    Args:
        description: of the script.
        tasks: ids without their namespace, if none are named.
        agent: if none is named.
        results: the table, if no other is named.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True, help="folder of sets and runs")
    parser.add_argument("--tasks", nargs="+", default=tasks, help="ids without their namespace")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--agent", default=agent)
    parser.add_argument("--results", type=Path, default=results, help="the table")
    return parser


def parse_arguments(
    parser: argparse.ArgumentParser, words: Sequence[str] | None = None
) -> argparse.Namespace:
    """Read the command line; words that the parser does not know are those of `roborew train`."""
    options, settings = parser.parse_known_args(words)
    options.settings = [word for word in settings if word != "--"]
    return options


def add_encoder_steps(parser: argparse.ArgumentParser) -> None:
    """Ask how long the encoders of critics learn."""
    parser.add_argument(
        "--encoder-steps", type=int, default=ENCODER_STEPS, help="of the critic's encoder"
    )


def without(words: Sequence[str], settings: Sequence[str]) -> list[str]:
    """Pairs of a flag and its value but for those that the settings name, too, which count.

    >>> without(["--seed", "0", "--score-every", "4"], ["--score-every", "2"])
    ['--seed', '0']
    """
    pairs = zip(words[::2], words[1::2], strict=True)
    return [word for pair in pairs if pair[0] not in settings for word in pair]


def camera_words(cameras: Sequence[str]) -> list[str]:
    """Words of `roborew collect` and `roborew fit` that name cameras; none for the first one.

    >>> camera_words(["front", "side"])
    ['--cameras', 'front', 'side']
    """
    return ["--cameras", *cameras] if cameras else []


def train(work: Path, name: str, words: Sequence[str]) -> Mapping[str, Any]:
    """Train and evaluate one agent, on a perfect dense reward if no other is named, or finish one
    that was interrupted; its summary.

    Args:
        work: folder of all runs.
        name: of the run's own folder.
        words: further words of `roborew train`.
    """
    run = work / name
    if not (run / "summary.json").exists():
        reward = [] if "--reward" in words else ["--reward", "oracle-dense"]
        begin = [*reward, "--out", str(work), "--name", name, *words]
        rest = ["--resume", str(run)] if run.exists() else begin
        roborew("train", *rest)
    return read_summary(run)


def roborew(*words: str) -> None:
    """Run a command of roborew in a process of its own, on one thread."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "roborew", *words]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)


Key = tuple[object, ...]
PlannedRun = tuple[Key, Callable[[], Sequence[str]]]
"""The key of a row, and what gives the words of `roborew train` beside those that every run has, with the
sets and critics that they name: a run whose row is there needs none."""


def fill_table(
    options: argparse.Namespace, rows: Rows, plan: Callable[[str, int], PlannedRun]
) -> None:
    """Train whatever has no row yet.

    Args:
        options: from `parse_arguments`.
        rows: the table.
        plan: (task, seed) -> the run.
    """
    # Seeds outside, so that every task has a first figure early.
    for seed in options.seeds:
        for task in options.tasks:
            key, words_of = plan(task, seed)
            if key in rows:
                continue
            # All of the key, or runs of other settings would be taken for this one.
            parts = " ".join(map(str, key)).split()
            name = "-".join(part.strip("-").replace("/", "-") for part in parts)
            begin = ["--env", f"roborew/{task}", "--agent", options.agent, "--seed", str(seed)]
            summary = train(options.work, name, [*begin, *words_of(), *options.settings])
            rows.add({**summary, **dict(zip(rows.keys, key, strict=True))})
            print(*key, summary["true_success"], round(summary["minutes"], 1), flush=True)


def main(words: Sequence[str] | None = None) -> None:
    """Command line."""
    options = parse_arguments(agents_parser(__doc__, TASKS, "ppo", RESULTS), words)
    settings = shlex.join(options.settings)
    fill_table(
        options,
        Rows(options.results, KEYS, FIGURES),
        lambda task, seed: ((task, options.agent, seed, settings), list),
    )


if __name__ == "__main__":
    main()
