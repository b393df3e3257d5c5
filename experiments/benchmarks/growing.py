"""How cost grows with simulations and with the length of an episode, and what a simulation weighs.

Cost should be a straight line: something a call, something a simulation (or a step). ``ours`` is
the cost at the largest size, ``peer`` what the line through all sizes says there, and ``ratio`` the
worst of measured over line.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from pathlib import Path

import gymnasium
import mujoco
import numpy as np

from experiments.benchmarks.measure import Row
from roborew_envs import TaskVectorEnv, make_task

TASK, PEER = "roborew/Cheetah-v0", "HalfCheetah-v5"
SIMULATIONS = (1, 4, 16, 64, 256, 1024, 4096)
LENGTHS = (50, 100, 200, 500, 1000, 2000)
PEERS = 128
EPISODES = 8
"""Simulations that run an episode side by side."""


def _made(num_envs: int, horizon: int = 1_000_000) -> TaskVectorEnv:
    task = make_task(TASK)
    task.horizon = horizon
    return TaskVectorEnv(task, num_envs)


@cache
def _rest() -> np.ndarray:
    """The state of a body that has come to lie still, where every step is the same physics."""
    env = _made(1)
    env.reset(seed=0)
    for _ in range(400):
        env.step(np.zeros((1, env.task.action_size)))
    return env.core.simulation.state[0].copy()


def _lie_down(env: TaskVectorEnv) -> np.ndarray:
    """Begin an episode at rest; returns actions that change nothing of it."""
    env.reset(seed=0)
    env.core.simulation.state[:] = _rest()
    return np.zeros((env.num_envs, env.task.action_size))


def _seconds(work: Callable[[], object]) -> float:
    """Processor time of all threads: other work on the machine takes none of it."""
    start = time.process_time()
    work()
    return time.process_time() - start


def step_of(num_envs: int) -> Callable[[], float]:
    env = _made(num_envs)
    actions = _lie_down(env)
    repeats = max(1, 256 // num_envs)  # a single step of few simulations is too short to time

    def steps() -> None:
        for _ in range(repeats):
            env.step(actions)

    return lambda: _seconds(steps) / repeats


def episode_of(length: int) -> Callable[[], float]:
    env = _made(EPISODES, length)

    def episode() -> None:
        actions = _lie_down(env)
        for _ in range(length):
            env.step(actions)

    return lambda: _seconds(episode)


def straight(sizes: Sequence[float], costs: Sequence[float]) -> tuple[np.ndarray, float]:
    """The line that misses all costs by the least share, and the ratio of the cost that is furthest
    from it.

    >>> line, worst = straight([1, 10, 100], [3.0, 21.0, 201.0])
    >>> line.round(6).tolist(), round(worst, 6)
    ([1.0, 2.0], 1.0)
    """
    table = np.column_stack([np.ones(len(sizes)), sizes])
    measured = np.asarray(costs)
    line = np.linalg.lstsq(table / measured[:, None], np.ones(len(sizes)), rcond=None)[0]
    ratios = measured / (table @ line)
    return line, float(ratios[np.argmax(np.abs(np.log(ratios)))])


def _grown(
    what: str, sizes: Sequence[int], make: Callable[[int], Callable[[], float]], repeats: int
) -> Row:
    """The cheapest of several turns at each size: other work on the machine only ever adds to a
    cost."""
    works = [make(size) for size in sizes]
    costs = np.min([[work() for work in works] for _ in range(2 * repeats)], axis=0) * 1e3
    line, worst = straight(sizes, costs)
    said = f"{line[0]:.3g} ms + {line[1]:.3g} ms each"
    settings = (
        f"{TASK}: {what}, {sizes[0]} to {sizes[-1]}; line {said}; cheapest of {2 * repeats} turns"
    )
    return Row(
        "growing", float(costs[-1]), float(line[0] + line[1] * sizes[-1]), "CPU ms", worst, settings
    )


def weigh(mode: str, num_envs: int) -> int:
    """The memory that this process holds after some steps [bytes], as Linux tells it."""
    mujoco.set_mju_user_warning(
        lambda _: None
    )  # MuJoCo 4 finds fault with the compiler settings of the peer's model
    env = gymnasium.make_vec(
        TASK if mode == "vector_entry_point" else PEER, num_envs, vectorization_mode=mode
    )
    env.reset(seed=0)
    for _ in range(3):
        env.step(np.zeros(env.action_space.shape))
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def _weight(mode: str, most: int) -> float:
    """Memory that one more simulation takes [KiB], in fresh processes."""
    held = []
    for count in (1, most):
        with ProcessPoolExecutor(1, get_context("spawn")) as process:
            held.append(process.submit(weigh, mode, count).result())
    return (held[1] - held[0]) / (most - 1) / 1024


def _memory() -> Row:
    own, peer = _weight("vector_entry_point", SIMULATIONS[-1]), _weight("sync", PEERS)
    settings = f"memory of one more simulation: {TASK}, of {SIMULATIONS[-1]}; SyncVectorEnv of {PEER}, of {PEERS}"
    return Row("growing", own, peer, "KiB each", own / peer, settings)


def run(repeats: int) -> list[Row]:
    """Cost of a step, cost of an episode, memory."""
    return [
        _grown("a step of all, by number of simulations", SIMULATIONS, step_of, repeats),
        _grown(f"an episode of {EPISODES} simulations, by its steps", LENGTHS, episode_of, repeats),
        _memory(),
    ]
