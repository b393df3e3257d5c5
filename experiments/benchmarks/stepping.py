"""Steps a second: our runners, observation and truth included, against Gymnasium's and against bare
physics."""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle

import gymnasium
import mujoco
import numpy as np
from mujoco import rollout

import roborew_envs  # noqa: F401 - registers the ids
from experiments.benchmarks.measure import Row, compare, rate
from roborew_envs import make_task

OURS, PEER = "roborew/Cheetah-v0", "HalfCheetah-v5"
COUNTS = (64, 1024)
MOST_PROCESSES = 64
"""AsyncVectorEnv has a process a simulation: 1,024 Python processes are no contender on an ordinary
machine."""
THREADS = 2


def _actions(shape: tuple[int, ...]) -> cycle:
    return cycle(np.random.default_rng(0).uniform(-1, 1, (50, *shape)).astype(np.float32))


def stepping(env: gymnasium.vector.VectorEnv) -> Callable[[], int]:
    turns = _actions(env.action_space.shape)
    env.reset(seed=0)

    def step() -> int:
        env.step(next(turns))
        return env.num_envs

    return step


def bare(count: int) -> Callable[[], int]:
    """`mujoco.rollout` of the same model from step to step, and nothing else."""
    task = make_task(OURS)
    data = [mujoco.MjData(task.model) for _ in range(THREADS)]
    full = mujoco.mjtState.mjSTATE_FULLPHYSICS
    state = np.empty(mujoco.mj_stateSize(task.model, full))
    mujoco.mj_getState(task.model, data[0], state, full)
    states = np.tile(state, (count, task.substeps, 1))
    sensors = np.empty((count, task.substeps, task.model.nsensordata))
    runner, turns = rollout.Rollout(nthread=THREADS), _actions((count, 1, task.action_size))

    def step() -> int:
        runner.rollout(
            task.model,
            data,
            states[:, -1].copy(),
            next(turns),
            nstep=task.substeps,
            state=states,
            sensordata=sensors,
        )
        return count

    return step


def _against(
    name: str, count: int, own: Callable[[], int], other: Callable[[], int], repeats: int
) -> Row:
    settings = f"{OURS} against {name}, {count} simulations, random actions"
    return compare(
        "stepping", lambda: rate(own), lambda: rate(other), "env steps/s", settings, repeats
    )


def run(repeats: int) -> list[Row]:
    """Both through `gymnasium.make_vec`; same body, time step and frame skip."""
    mujoco.set_mju_user_warning(
        lambda _: None
    )  # MuJoCo 4 finds fault with the compiler settings of this model
    rows = []
    for count in COUNTS:
        env = gymnasium.make_vec(OURS, count, vectorization_mode="vector_entry_point")
        own = stepping(env)
        for mode in ("sync", "async") if count <= MOST_PROCESSES else ("sync",):
            peer = gymnasium.make_vec(PEER, count, vectorization_mode=mode)
            rows.append(
                _against(f"{type(peer).__name__} of {PEER}", count, own, stepping(peer), repeats)
            )
            peer.close()
        rows.append(
            _against(f"bare mujoco.rollout on {THREADS} threads", count, own, bare(count), repeats)
        )
        env.close()
    return rows
