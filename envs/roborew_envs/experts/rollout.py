"""Episodes of known behaviours with their exact truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roborew_envs.core.environment import TaskSimulations
from roborew_envs.core.task import BoolArray, FloatArray, IntArray, Task
from roborew_envs.experts.behaviours import (
    Behaviour,
    Policy,
    PretrainedPolicy,
    actor,
    behaviours,
    never_succeeding,
)
from roborew_envs.experts.grading import (
    Grade,
    Pace,
    StageSpan,
    failure_onset,
    grade,
    setback,
    stage_spans,
)

PACE_SEEDS = range(30_000_000_000, 30_000_000_032)
"""Starts from which an expert shows its pace."""


@dataclass(frozen=True)
class Episode:
    """What one simulation did; frames can be drawn from the states at any time.

    Attributes:
        stage_names: the task's stages.
        qpos: shape (T + 1, nq), the start and the state after each action.
        observations: shape (T + 1, D), what an agent sees of those states.
        actions: shape (T, action_size).
        progress: shape (T + 1,), truth in [0, 1].
        success: shape (T + 1,), truth.
        stage: shape (T + 1,), index into the task's stages.
    """

    task_id: str
    behaviour: str
    seed: int
    stage_names: tuple[str, ...]
    qpos: FloatArray
    observations: NDArray[np.float32]
    actions: FloatArray
    progress: FloatArray
    success: BoolArray
    stage: NDArray[np.int64]

    def quality(self, pace: Pace) -> Grade:
        """How good the episode is beside an expert's pace, see `grades` and
        `roborew_envs.experts.grading.grade`."""
        return grade(self.progress, self.success, self.stage, pace)

    @cached_property
    def stages(self) -> tuple[StageSpan, ...]:
        """Stretches of frames in one stage, covering every frame once."""
        return stage_spans(self.stage, self.stage_names)

    @cached_property
    def onset(self) -> int | None:
        """The frame from which nothing more is gained; None for an episode that ends in success."""
        return failure_onset(self.progress, self.success)


def demonstrate(
    task: Task, behaviour: Behaviour, seeds: Sequence[int], steps: int | None = None
) -> list[Episode]:
    """Run a behaviour once for every seed, all together.

    A stall never succeeds: where one that is half way comes to the goal by itself (a body falls
    through its pose, a car rolls on), it is played again, stopped earlier.

    Args:
        task: one that has this behaviour.
        behaviour: see `behaviours`.
        seeds: an episode's start depends on its seed alone, what a behaviour draws on the way on
            all of them.
        steps: default: the task's horizon.

    Raises:
        ValueError: the task has no such behaviour.
        gymnasium.error.Error: a stall from a start that is a success already, or becomes one by
        itself.
    """
    rng = np.random.default_rng(list(seeds))
    player = actor(task, behaviour, rng)
    episodes = _play(task, player, behaviour, seeds, steps)
    if behaviour != "stall" or not isinstance(player, PretrainedPolicy):
        return episodes

    def again(which: list[int], stops: IntArray) -> list[Episode]:
        earlier = PretrainedPolicy(task, "stall", rng, stops)
        return _play(task, earlier, "stall", [seeds[i] for i in which], steps)

    return never_succeeding(task.id, episodes, player.stops, again)


def _play(
    task: Task, player: Policy, behaviour: Behaviour, seeds: Sequence[int], steps: int | None
) -> list[Episode]:
    core = TaskSimulations(task, len(seeds), None, 96, 72, "fast")
    core.reset(np.ones(len(seeds), np.bool_), list(seeds))
    track: dict[str, list[NDArray[Any]]] = {"actions": []}

    def keep(moment: dict[str, NDArray[Any]]) -> None:
        for name, values in moment.items():
            track.setdefault(name, []).append(values)

    keep(_moment(core, core.truth()))
    for _ in range(steps or task.horizon):
        progress = track["progress"][-1].astype(np.float64)
        action = player.actions(track["qpos"][-1], progress, track["observations"][-1])
        keep({"actions": action, **_moment(core, core.step(action)[2])})
    core.close()
    columns = {name: np.stack(values, axis=1) for name, values in track.items()}
    columns["progress"] = columns["progress"].astype(np.float64)
    return [
        Episode(
            task.id,
            behaviour,
            seed,
            task.stages,
            **{name: values[i] for name, values in columns.items()},
        )
        for i, seed in enumerate(seeds)
    ]


def expert_pace(task: Task) -> Pace:
    """What the expert needs from 32 fixed starts, at the 90th percentile; without an expert, all of
    the task's time.

    Raises:
        ValueError: the expert never ends in success.
    """
    if "expert" not in behaviours(task):
        return Pace(float(task.horizon), 0.0)
    good = [episode for episode in demonstrate(task, "expert", PACE_SEEDS) if episode.success[-1]]
    if not good:
        raise ValueError(
            f"{task.id}: the expert ended in success from none of {len(PACE_SEEDS)} starts."
        )
    arrivals = [np.argmax(episode.success) for episode in good]
    setbacks = [setback(episode.progress) for episode in good]
    return Pace(float(np.quantile(arrivals, 0.9)), float(np.quantile(setbacks, 0.9)))


def grades(task: Task, episodes: Sequence[Episode], usual: Pace) -> list[Grade]:
    """How good each episode is beside the expert from the same start, or beside ``usual`` where
    there is no expert.

    The expert's own time counts up to the usual one: where it bungles, others may not take as long.

    Args:
        task: that of the episodes.
        episodes: of any behaviours.
        usual: the expert's, see `expert_pace`.
    """
    if "expert" not in behaviours(task):
        return [episode.quality(usual) for episode in episodes]
    experts = demonstrate(task, "expert", [episode.seed for episode in episodes])
    arrivals = [
        float(np.argmax(expert.success)) if expert.success.any() else np.inf for expert in experts
    ]
    paces = [replace(usual, arrival=min(arrival, usual.arrival)) for arrival in arrivals]
    return [episode.quality(pace) for episode, pace in zip(episodes, paces, strict=True)]


def _moment(core: TaskSimulations, truth: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {"qpos": core.simulation.qpos.copy(), "observations": core.observe(), **truth}
