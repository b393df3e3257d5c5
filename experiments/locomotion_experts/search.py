"""Search for a reflex by the truth of many short lives: which numbers keep the pose to the end?"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from experiments.locomotion_experts.evolution import Evolution
from experiments.locomotion_experts.reflex import Reflex
from roborew_envs.core.simulation import Simulation
from roborew_envs.experts.policies import to_heading_frame
from roborew_envs.tasks.humanoid.humanoid import Humanoid

FloatArray = NDArray[np.float64]
POPULATION, STARTS, CHECKED, EVERY = 10, 10, 40, 5
"""Candidates of a generation, starts that each of them lives through, starts that the mean is
checked on every so many generations."""
CHECKS = 50_000
"""Seed of the first start for checks; a generation's own are counted from 0."""
SEEN = 3
"""Steps from one look at the truth to the next."""
PERFECT = 2.5
"""Score of a reflex that keeps the pose in every start."""
LOST = 0.25
"""Cosine of the trunk's lean below which nobody gets up again."""


def search(
    task: Humanoid,
    made: Callable[[FloatArray], Reflex],
    start: FloatArray,
    scale: FloatArray,
    generations: int,
    seed: int,
    tell: Callable[[str], None] = print,
) -> FloatArray:
    """The numbers whose reflex did best on the starts for checks, the first ones among them.

    Args:
        task: whose truth counts.
        made: makes a reflex of numbers, shape (n,).
        start: numbers to begin with, shape (n,).
        scale: how far each is worth going at first, shape (n,).
        generations: of candidates.
        seed: of the candidates.
        tell: is told how it goes.
    """
    if not generations:
        return start
    checks = range(CHECKS, CHECKS + CHECKED)
    best, found = score(task, made, start, checks), start
    tell(f"  start {best:.3f}")
    evolution = Evolution(start, scale, POPULATION, seed)
    for generation in range(1, generations + 1):
        starts = range(generation * STARTS, (generation + 1) * STARTS)
        scores = np.array([score(task, made, numbers, starts) for numbers in evolution.ask()])
        evolution.tell(scores)
        if generation % EVERY == 0:
            value = score(task, made, evolution.mean, checks)
            tell(f"  generation {generation}, candidates {scores.mean():.3f}, mean {value:.3f}")
            if value > best:
                best, found = value, evolution.mean
            if best >= PERFECT:
                break
    return found


def score(
    task: Humanoid, made: Callable[[FloatArray], Reflex], numbers: FloatArray, seeds: range
) -> float:
    """Success in the last state, and half of it plus progress over the last two fifths."""
    progress = live(task, made(numbers), seeds)
    success = progress == 1
    return float(success[-1].mean() + 0.5 * success.mean() + progress.mean())


def live(task: Humanoid, reflex: Reflex, seeds: range) -> FloatArray:
    """True progress over the last two fifths of an episode from each start, shape (looks, starts);
    0 for the lost."""
    starts = [
        task.sample_initial_state(np.random.Generator(np.random.PCG64(seed))) for seed in seeds
    ]
    looks = 2 * task.horizon // 5 // SEEN
    progress, first = np.zeros((looks, len(seeds))), task.horizon - SEEN * looks
    states = np.array([np.concatenate(start) for start in starts])
    living = np.arange(len(seeds))
    simulations: dict[int, Simulation] = {}
    for step in range(task.horizon):
        if step % SEEN == 0:
            living = living[_upright(states[living]) > LOST]
            if not len(living):
                break
        if len(living) not in simulations:
            simulations[len(living)] = Simulation(task.model, len(living), threads=1)
        simulation = simulations[len(living)]
        states[living] = _after(task, simulation, reflex, states[living])
        if step >= first and (step - first) % SEEN == SEEN - 1:
            now = states[living]
            progress[(step - first) // SEEN, living] = task.progress(
                now[:, : task.model.nq], now[:, task.model.nq :]
            )
    return progress


def _after(
    task: Humanoid, simulation: Simulation, reflex: Reflex, states: FloatArray
) -> FloatArray:
    """One step of the environment."""
    nq = task.model.nq
    for i, state in enumerate(states):
        simulation.place(i, state[:nq], state[nq:])
    seen = to_heading_frame(task.observe(simulation.qpos, simulation.qvel), reflex.heading)
    actions = np.clip(reflex(seen), -1, 1)
    simulation.step(task.action_to_ctrl(simulation.qpos, actions), task.substeps)
    return np.concatenate([simulation.qpos, simulation.qvel], axis=1)


def _upright(states: FloatArray) -> FloatArray:
    """Cosine of each trunk's lean, shape (N,)."""
    return 1 - 2 * (states[:, 4] ** 2 + states[:, 5] ** 2)
