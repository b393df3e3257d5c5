"""Three moments of a task, start, middle and success, from whatever the task offers to get
there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, get_args, get_type_hints

import numpy as np

from roborew_envs import Task
from roborew_envs.core.simulation import TaskSimulations
from roborew_envs.experts.behaviors import available_behaviors
from roborew_envs.experts.rollout import collect_episodes

SEEDS = range(4)
"""Starts that are tried until one ends in success."""
LATER = 12
"""Frames after the first success by which the hand has let go, if success still holds."""


@dataclass(frozen=True)
class Moments:
    """States worth a picture.

    Attributes:
        source: how they were come by.
        qpos: shape (3, nq), in the order of progress.
        progress: shape (3,), truth.
        success: shape (3,), truth.
    """

    source: str
    qpos: np.ndarray
    progress: np.ndarray
    success: np.ndarray


def moments(task: Task) -> Moments:
    """Start, middle and success; of the sources that there are, the first that reaches success,
    else the best."""
    tried = list(_until_success(task))
    return max(tried, key=lambda found: found.progress[-1])


def _until_success(task: Task) -> Iterator[Moments]:
    for source in (_expert, _posed, _random):
        found = source(task)
        if found is not None:
            yield found
            if found.success[-1]:
                return


def _chosen(source: str, qpos: np.ndarray, progress: np.ndarray, success: np.ndarray) -> Moments:
    """Of states in their order: the first, one at half of the way, and the most progress, held for
    `LATER` frames."""
    last = int(np.argmax(progress))
    half = int(np.argmin(np.abs(progress[: last + 1] - (progress[0] + progress[last]) / 2)))
    while last + 1 < len(progress) and success[last + 1] and last < np.argmax(progress) + LATER:
        last += 1
    which = [0, half, last]
    return Moments(source, qpos[which], progress[which], success[which])


def _expert(task: Task) -> Moments | None:
    if "expert" not in available_behaviors(task):
        return None
    episodes = collect_episodes(task, "expert", list(SEEDS))
    best = max(episodes, key=lambda episode: float(episode.progress.max()))
    return _chosen(f"the expert from seed {best.seed}", best.qpos, best.progress, best.success)


def _posed(task: Task) -> Moments | None:
    """A body that can be put into poses: straight from a start into the pose that fulfils the
    task."""
    pose_state: Callable[..., np.ndarray] | None = getattr(task, "pose_state", None)
    if pose_state is None:
        return None
    start, way = (
        task.sample_initial_state(np.random.default_rng(0))[0],
        np.linspace(0, 1, 21)[:, None],
    )
    ends = {
        pose: pose_state(np.random.default_rng(1), pose, noise=0.0)
        for pose in get_args(get_type_hints(pose_state)["pose"])
    }
    ways = [
        _truth_of(task, f"posed into {pose!r}", start + way * (end - start))
        for pose, end in ends.items()
    ]
    return max(ways, key=lambda posed: float(posed.progress[-1]))


def _truth_of(task: Task, source: str, qpos: np.ndarray) -> Moments:
    still = np.zeros((len(qpos), task.model.nv))
    return _chosen(source, qpos, task.progress(qpos, still), task.success(qpos, still))


def _random(task: Task) -> Moments:
    """The best that chance does: random actions, each held for some steps."""
    core, rng = TaskSimulations(task, 64), np.random.default_rng(0)
    core.reset(np.ones(64, np.bool_), list(range(64)))
    track: list[tuple[Any, Any, Any]] = []
    for step in range(task.horizon):
        truth = task.evaluate(core.simulation.qpos, core.simulation.qvel)
        track.append((core.simulation.qpos.copy(), truth.progress, truth.success))
        if step % 8 == 0:
            actions = rng.uniform(-1, 1, (64, task.action_size))
        core.step(actions)
    core.close()
    qpos, progress, success = (np.stack(column) for column in zip(*track, strict=True))
    best = int(progress.max(axis=0).argmax())
    return _chosen(
        "the best of 64 random episodes", qpos[:, best], progress[:, best], success[:, best]
    )
