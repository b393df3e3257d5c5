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
        `roborew_envs.experts.grading.grade_trajectory`."""
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
        behavior: see `available_behaviors`.
        seeds: an episode's start depends on its seed alone, what a behavior draws on the way on
            all of them.
        steps: default: the task's horizon.

    Raises:
        ValueError: the task has no such behavior.
        gymnasium.error.Error: a stall from a start that is a success already, or becomes one by
            itself.
    """
    rng = np.random.default_rng(list(seeds))
    policy = make_policy(task, behavior, rng)
    episodes = _rollout(task, policy, behavior, seeds, steps)
    # A script stops where its progress is, and what it holds stays: only bodies go on by themselves.
    if behavior != "stall" or not isinstance(policy, PretrainedPolicy):
        return episodes

    def replay(indices: list[int], stop_steps: IntArray) -> list[TaskEpisode]:
        earlier = PretrainedPolicy(task, "stall", rng, stop_steps)
        replayed_seeds = [seeds[i] for i in indices]
        return _rollout(task, earlier, "stall", replayed_seeds, steps)

    return shorten_stalls(task.id, episodes, policy.stop_steps, replay)


def _rollout(
    task: Task, policy: Policy, behavior: Behavior, seeds: Sequence[int], steps: int | None
) -> list[TaskEpisode]:
    """One episode of a policy from each seed, until the task has failed or its time is over."""
    core = TaskSimulations(task, len(seeds))
    lengths = np.zeros(len(seeds), np.int64)
    has_ended = np.zeros(len(seeds), np.bool_)
    truth = core.reset(np.ones(len(seeds), np.bool_), list(seeds))
    states = [_snapshot(core, truth)]
    actions: list[FloatArray] = []
    for _ in range(steps or task.horizon):
        state = states[-1]
        progress = state["progress"].astype(np.float64)
        action = policy.act(state["qpos"], progress, state["observations"])
        _, terminated, _, truth = core.step(action)
        actions.append(action)
        lengths += ~has_ended
        has_ended |= terminated
        states.append(_snapshot(core, truth))
    core.close()
    # From one array a step to one array an episode: (N, T, ...).
    columns = {name: np.stack([state[name] for state in states], axis=1) for name in states[0]}
    columns["actions"] = np.stack(actions, axis=1)
    columns["progress"] = columns["progress"].astype(np.float64)
    episodes: list[TaskEpisode] = []
    for i, seed in enumerate(seeds):
        num_actions = int(lengths[i])
        arrays = {name: values[i, : num_actions + 1] for name, values in columns.items()}
        arrays["actions"] = columns["actions"][i, :num_actions]
        episodes.append(TaskEpisode(task.id, behavior, seed, task.stages, **arrays))
    return episodes


def _snapshot(core: TaskSimulations, truth: Truth) -> dict[str, NDArray[Any]]:
    return {
        # A copy, since the simulation's own array goes on.
        "qpos": core.simulation.qpos.copy(),
        "observations": core.observe(),
        "progress": truth.progress,
        "success": truth.success,
        "stage": truth.stage,
    }


def measure_expert_pace(task: Task) -> ExpertPace:
    """What the expert needs from 32 fixed starts, at the 90th percentile; without an expert, all of
    the task's time.

    Raises:
        ValueError: the expert never ends in success.
    """
    if "expert" not in available_behaviors(task):
        return ExpertPace(float(task.horizon), 0.0)
    episodes = collect_episodes(task, "expert", EXPERT_PACE_SEEDS)
    successes = [episode for episode in episodes if episode.success[-1]]
    if not successes:
        raise ValueError(
            f"{task.id}: the expert ended in success from none of {len(EXPERT_PACE_SEEDS)} starts."
        )
    success_steps = [np.argmax(episode.success) for episode in successes]
    drops = [max_progress_drop(episode.progress) for episode in successes]
    success_step = float(np.quantile(success_steps, 0.9))
    return ExpertPace(success_step, float(np.quantile(drops, 0.9)))


def grade_episodes(
    task: Task, episodes: Sequence[TaskEpisode], usual_pace: ExpertPace
) -> list[Grade]:
    """Grade each episode beside the expert from the same start, or beside ``usual_pace`` where
    there is no expert.

    The expert's own time counts up to the usual one: where it bungles, others may not take as long.

    Args:
        task: that of the episodes.
        episodes: of any behaviors.
        usual_pace: the expert's, see `measure_expert_pace`.
    """
    if "expert" not in available_behaviors(task):
        return [episode.grade(usual_pace) for episode in episodes]
    seeds = [episode.seed for episode in episodes]
    experts = collect_episodes(task, "expert", seeds)
    grades: list[Grade] = []
    for episode, expert in zip(episodes, experts, strict=True):
        own_step = float(np.argmax(expert.success)) if expert.success.any() else np.inf
        success_step = min(own_step, usual_pace.success_step)
        pace = replace(usual_pace, success_step=success_step)
        grades.append(episode.grade(pace))
    return grades
