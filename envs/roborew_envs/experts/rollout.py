"""Episodes of known behaviors with their exact truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roborew_envs.core.simulation import TaskSimulations
from roborew_envs.core.task import BoolArray, FloatArray, IntArray, Task, Truth
from roborew_envs.experts.behaviors import (
    Behavior,
    Policy,
    PretrainedPolicy,
    available_behaviors,
    make_policy,
    shorten_stalls,
)
from roborew_envs.experts.grading import (
    ExpertPace,
    Grade,
    StageSpan,
    failure_onset,
    grade_trajectory,
    max_progress_drop,
    stage_spans,
)

EXPERT_PACE_SEEDS = range(30_000_000_000, 30_000_000_032)
"""Starts from which an expert shows its pace."""


@dataclass(frozen=True)
class TaskEpisode:
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
    behavior: str
    seed: int
    stage_names: tuple[str, ...]
    qpos: FloatArray
    observations: NDArray[np.float32]
    actions: FloatArray
    progress: FloatArray
    success: BoolArray
    stage: NDArray[np.int64]

    def grade(self, pace: ExpertPace) -> Grade:
        """How good the episode is beside an expert's pace, see `grade_episodes` and
        `roborew_envs.experts.grading.grade`."""
        return grade_trajectory(self.progress, self.success, self.stage, pace)

    @cached_property
    def stage_spans(self) -> tuple[StageSpan, ...]:
        """Stretches of frames in one stage, covering every frame once."""
        return stage_spans(self.stage, self.stage_names)

    @cached_property
    def failure_onset(self) -> int | None:
        """The frame from which nothing more is gained; None for an episode that ends in success."""
        return failure_onset(self.progress, self.success)


def collect_episodes(
    task: Task, behavior: Behavior, seeds: Sequence[int], steps: int | None = None
) -> list[TaskEpisode]:
    """Run a behavior once for every seed, all together.

    A stall never succeeds: where one that is half way comes to the goal by itself (a body falls
    through its pose, a car rolls on), it is played again, stopped earlier.

    Args:
        task: one that has this behavior.
        behavior: see `behaviors`.
        seeds: an episode's start depends on its seed alone, what a behavior draws on the way on
            all of them.
        steps: default: the task's horizon.

    Raises:
        ValueError: the task has no such behavior.
        gymnasium.error.Error: a stall from a start that is a success already, or becomes one by
        itself.
    """
    rng = np.random.default_rng(list(seeds))
    player = make_policy(task, behavior, rng)
    episodes = _play(task, player, behavior, seeds, steps)
    if behavior != "stall" or not isinstance(player, PretrainedPolicy):
        return episodes

    def again(which: list[int], stops: IntArray) -> list[TaskEpisode]:
        earlier = PretrainedPolicy(task, "stall", rng, stops)
        return _play(task, earlier, "stall", [seeds[i] for i in which], steps)

    return shorten_stalls(task.id, episodes, player.stop_steps, again)


def _play(
    task: Task, player: Policy, behavior: Behavior, seeds: Sequence[int], steps: int | None
) -> list[TaskEpisode]:
    core = TaskSimulations(task, len(seeds))
    truth = core.reset(np.ones(len(seeds), np.bool_), list(seeds))
    track: dict[str, list[NDArray[Any]]] = {"actions": []}

    def keep(moment: dict[str, NDArray[Any]]) -> None:
        for name, values in moment.items():
            track.setdefault(name, []).append(values)

    keep(_moment(core, truth))
    for _ in range(steps or task.horizon):
        progress = track["progress"][-1].astype(np.float64)
        action = player.act(track["qpos"][-1], progress, track["observations"][-1])
        keep({"actions": action, **_moment(core, core.step(action)[2])})
    core.close()
    columns = {name: np.stack(values, axis=1) for name, values in track.items()}
    columns["progress"] = columns["progress"].astype(np.float64)
    return [
        TaskEpisode(
            task.id,
            behavior,
            seed,
            task.stages,
            **{name: values[i] for name, values in columns.items()},
        )
        for i, seed in enumerate(seeds)
    ]


def measure_expert_pace(task: Task) -> ExpertPace:
    """What the expert needs from 32 fixed starts, at the 90th percentile; without an expert, all of
    the task's time.

    Raises:
        ValueError: the expert never ends in success.
    """
    if "expert" not in available_behaviors(task):
        return ExpertPace(float(task.horizon), 0.0)
    good = [
        episode
        for episode in collect_episodes(task, "expert", EXPERT_PACE_SEEDS)
        if episode.success[-1]
    ]
    if not good:
        raise ValueError(
            f"{task.id}: the expert ended in success from none of {len(EXPERT_PACE_SEEDS)} starts."
        )
    arrivals = [np.argmax(episode.success) for episode in good]
    setbacks = [max_progress_drop(episode.progress) for episode in good]
    return ExpertPace(float(np.quantile(arrivals, 0.9)), float(np.quantile(setbacks, 0.9)))


def grade_episodes(task: Task, episodes: Sequence[TaskEpisode], usual: ExpertPace) -> list[Grade]:
    """How good each episode is beside the expert from the same start, or beside ``usual`` where
    there is no expert.

    The expert's own time counts up to the usual one: where it bungles, others may not take as long.

    Args:
        task: that of the episodes.
        episodes: of any behaviors.
        usual: the expert's, see `measure_expert_pace`.
    """
    if "expert" not in available_behaviors(task):
        return [episode.grade(usual) for episode in episodes]
    experts = collect_episodes(task, "expert", [episode.seed for episode in episodes])
    arrivals = [
        float(np.argmax(expert.success)) if expert.success.any() else np.inf for expert in experts
    ]
    paces = [replace(usual, success_step=min(arrival, usual.success_step)) for arrival in arrivals]
    return [episode.grade(pace) for episode, pace in zip(episodes, paces, strict=True)]


def _moment(core: TaskSimulations, truth: Truth) -> dict[str, NDArray[Any]]:
    return {
        "qpos": core.simulation.qpos.copy(),
        "observations": core.observe(),
        "progress": truth.progress,
        "success": truth.success,
        "stage": truth.stage,
    }
