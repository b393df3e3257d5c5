"""``python -m experiments.benchmarks.calls``: how many of our functions run from a frame to a reward.

One scored step of `LearnedReward` over two environments is watched with `sys.setprofile`. Counted is
each start of a function, method, property or lambda that is written in roborew or roborew_envs, also
on the threads that draw. Not counted: comprehensions and generator expressions, which belong to the
function around them, methods that `dataclass` generates, and what other packages do.
"""

from __future__ import annotations

import argparse
import sys
import threading
from collections import Counter
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import Any

import gymnasium
import numpy as np

import roborew
import roborew_envs
from experiments.benchmarks.measure import Row
from roborew import LearnedReward
from roborew.rewards.mini import Mini

TASK, INSTRUCTION = "roborew/Push-v0", "push the red cube onto the green pad"
STEPS_BEFORE = 2
"""Steps before the one that is watched: what is made lazily is made by then."""
PACKAGES = tuple(str(Path(package.__path__[0])) for package in (roborew, roborew_envs))
BEFORE = {"calls": 135, "files": 24, "moves": 83}
"""Of commit 3af4c69, counted by the same rule."""
Call = tuple[str, str]
"""File and qualified name of a function."""


class CallCounter:
    """Writes down the calls of our functions while it is on, thread by thread."""

    def __init__(self) -> None:
        self.calls: dict[int, list[Call]] = {}
        self._on = False
        # Threads take the profile function when they start, so it has to be there before them.
        threading.setprofile(self._note)

    def __enter__(self) -> CallCounter:
        self._on = True
        sys.setprofile(self._note)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)
        threading.setprofile(None)
        self._on = False

    def _note(self, frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        if not self._on or event != "call" or not code.co_filename.startswith(PACKAGES):
            return
        is_part_of_another = code.co_name.startswith("<") and code.co_name != "<lambda>"
        if not is_part_of_another:
            calls = self.calls.setdefault(threading.get_ident(), [])
            calls.append((code.co_filename, code.co_qualname))

    def figures(self) -> dict[str, int]:
        """Calls, files, and moves: neighbouring calls of one thread that lie in two files."""
        files = {file for calls in self.calls.values() for file, _ in calls}
        moves = 0
        for calls in self.calls.values():
            for (file, _), (next_file, _) in pairwise(calls):
                moves += file != next_file
        count = sum(len(calls) for calls in self.calls.values())
        return {"calls": count, "files": len(files), "moves": moves}


def count_calls() -> CallCounter:
    """Watch one scored step of two environments."""
    counter = CallCounter()
    env = gymnasium.make_vec(
        TASK,
        num_envs=2,
        vectorization_mode="vector_entry_point",
        render_mode="rgb_array",
        autoreset_mode="Disabled",
    )
    learned = LearnedReward(env, Mini(), INSTRUCTION, score_every=1)
    learned.reset(seed=0)
    actions = np.zeros(env.action_space.shape or (), np.float32)
    for _ in range(STEPS_BEFORE):
        learned.step(actions)
    with counter:
        learned.step(actions)
    learned.close()
    return counter


def run(repeats: int) -> list[Row]:
    """Three figures; the peer is the code before it was folded, and repeating changes nothing."""
    settings = f"in one scored step of two {TASK}, mini, drawing threads included; peer: 3af4c69"
    return [
        Row("calls", figure, BEFORE[name], name, figure / BEFORE[name], settings)
        for name, figure in count_calls().figures().items()
    ]


def _print_calls(counter: CallCounter) -> None:
    """Each thread's calls in order, then how many each file has."""
    root = Path(roborew.__path__[0]).parent
    by_file: Counter[str] = Counter()
    for calls in counter.calls.values():
        print("-- thread")
        for file, name in calls:
            place = str(Path(file).relative_to(root))
            by_file[place] += 1
            print(f"{place:<50} {name}")
    print("-- files")
    for place, count in by_file.most_common():
        print(f"{count:>4} {place}")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m experiments.benchmarks.calls", description=__doc__
    )
    parser.add_argument("--list", action="store_true", help="print every call")
    arguments = parser.parse_args()
    counter = count_calls()
    if arguments.list:
        _print_calls(counter)
    for name, figure in counter.figures().items():
        print(f"{figure:>5} {name} (before: {BEFORE[name]})")


if __name__ == "__main__":
    main()
