"""How every behavior of Meta-World's fifty experts ends, by the suite's own word: ``python -m
experiments.metaworld_behaviors``.

One row a task and behavior in ``results.csv``; rows that stand there are not measured again.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import get_args

import numpy as np
from gymnasium.error import Error

from roborew.evaluation.statistics import wilson
from roborew_envs.experts.behaviors import Behavior
from roborew_envs.suites import SuiteVectorEnv
from roborew_envs.suites.demonstrations import SuiteEpisode, collect_episode, suite_behaviors
from roborew_envs.suites.instructions import INSTRUCTIONS

FILE = Path(__file__).with_name("results.csv")
FIRST_SEED = 900_000
Row = dict[str, str]


def keeps_its_word(behavior: Behavior, success: Sequence[bool]) -> bool:
    """Whether an episode of this success (T + 1,) is what its behavior says.

    An expert succeeds at some time, undo loses a success again, a stall and a near miss never have
    one; a noisy expert and chance promise nothing.
    """
    match behavior:
        case "expert":
            return any(success)
        case "undo":
            return any(success) and not success[-1]
        case "stall" | "near_miss":
            return not any(success)
        case _:
            return True


def measure(env: SuiteVectorEnv, env_id: str, behavior: Behavior, seeds: range) -> Row:
    """Shares of episodes that keep the behavior's word, reach success and end in it."""
    episodes: list[SuiteEpisode] = []
    for seed in seeds:
        # A start from which no stall or near miss can be had is refused, and counts against it.
        with suppress(Error):
            episodes.append(collect_episode(env, behavior, seed))
    successes = [episode.success.tolist() for episode in episodes if episode.success is not None]
    true_to_name = sum(keeps_its_word(behavior, success) for success in successes)
    interval = wilson(true_to_name, len(seeds))
    figures = {
        "true_to_name": true_to_name / len(seeds),
        "low": interval.low,
        "high": interval.high,
        "reached": np.mean([any(success) for success in successes]),
        "at_end": np.mean([success[-1] for success in successes]),
        "object_motion": np.median([object_motion(env, episode) for episode in episodes]),
        "steps": np.median([len(episode.actions) for episode in episodes]),
    }
    row = {"task": env_id, "behavior": str(behavior), "episodes": str(len(seeds))}
    row["first_seed"] = str(seeds[0])
    return row | {name: f"{value:.3f}" for name, value in figures.items()}


def object_motion(env: SuiteVectorEnv, episode: SuiteEpisode) -> float:
    """The furthest that the objects are from their start [m, and parts of a turn]."""
    objects = episode.observations[:, env.envs[0].get_wrapper_attr("objects")]
    return float(np.linalg.norm(objects - objects[0], axis=1).max())


def missing_rows(
    tasks: Sequence[str], behaviors: Sequence[str], episodes: int, known: Sequence[Row]
) -> Iterator[Row]:
    """A row for every one of these behaviors of these tasks that has none yet."""
    present = {(row["task"], row["behavior"]) for row in known}
    for env_id in tasks:
        with closing(SuiteVectorEnv(env_id, 1)) as env:
            for behavior in suite_behaviors(env):
                if behavior in behaviors and (env_id, behavior) not in present:
                    seeds = range(FIRST_SEED, FIRST_SEED + episodes)
                    yield measure(env, env_id, behavior, seeds)


def read() -> list[Row]:
    """The rows measured so far."""
    if not FILE.exists():
        return []
    with FILE.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.metaworld_behaviors", description=__doc__
    )
    parser.add_argument("--episodes", type=int, default=10, help="starts of each behavior")
    parser.add_argument("--only", nargs="*", default=list(INSTRUCTIONS), metavar="ID")
    parser.add_argument("--behaviors", nargs="*", default=list(get_args(Behavior)))
    options = parser.parse_args()
    rows = read()
    for row in missing_rows(options.only, options.behaviors, options.episodes, read()):
        rows.append(row)
        print(*row.values(), flush=True)
        with FILE.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
