"""An expert's recorded episode played again in its simulator, and pictures of any state of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
from gymnasium.error import Error

from roborew.data.demonstration import Demonstration
from roborew.storage.run import slugify
from roborew.types import BoolArray, Video
from roborew.workflows.environments import task_class
from roborew_envs import TASKS, make_task
from roborew_envs.experts.rollout import collect_episodes
from roborew_envs.rendering.renderer import Quality, Renderer
from roborew_envs.suites.positions import (
    Positions,
    render_positions,
    replay_positions,
    robot_positions,
)
from roborew_envs.suites.vector import SuiteVectorEnv

MAX_OBSERVATION_ERROR = 1e-3
"""Most that an observation of the replay may differ from the recorded one [its own units]."""


@dataclass(frozen=True, slots=True)
class View:
    """How pictures are drawn.

    Attributes:
        cameras: whose pictures lie side by side, from left to right.
        width: of one camera's picture [pixels].
        height: of a picture [pixels].
        quality: see `roborew_envs.rendering.renderer`.
    """

    cameras: Sequence[str]
    width: int
    height: int
    quality: Quality


@dataclass(frozen=True, slots=True)
class Replay:
    """An episode that was played again.

    Attributes:
        positions: of everything in each frame, shape (T, P).
        is_robot: which of the positions are the robot's, shape (P,).
        draw: pictures of other positions (n, P), shape (n, H, W, 3).
    """

    positions: Positions
    is_robot: BoolArray
    draw: Callable[[Positions, View], Video]


def can_be_replayed(demonstration: Demonstration) -> bool:
    """Whether an expert was recorded, of an environment that is installed here and whose robot is
    not all that moves."""
    notes = demonstration.notes
    env_id, seed = notes.get("task_name"), notes.get("seed")
    # Notes are read from files: they may be anything.
    if notes.get("behavior") != "expert" or not isinstance(env_id, str):
        return False
    if not isinstance(seed, int) or seed < 0:
        return False
    if env_id in TASKS:
        return task_class(env_id).robot_joints is not None
    is_recorded = demonstration.actions is not None and demonstration.observations is not None
    return is_recorded and _has_robot(env_id)


def replay_expert(demonstration: Demonstration) -> Replay | None:
    """Play an expert's episode again that `can_be_replayed`; None where it goes another way now.

    Raises:
        RenderError: nothing can be drawn here.
    """
    is_ours = demonstration.notes["task_name"] in TASKS
    return _replay_task(demonstration) if is_ours else _replay_suite(demonstration)


def _replay_task(demonstration: Demonstration) -> Replay | None:
    task = make_task(demonstration.notes["task_name"])
    (episode,) = collect_episodes(task, "expert", [demonstration.notes["seed"]])
    if not episode.success[-1]:
        return None
    is_robot = np.zeros(episode.qpos.shape[1], np.bool_)
    is_robot[task.robot_joints or slice(0, 0)] = True

    def draw(qpos: Positions, view: View) -> Video:
        overrides = task.visual_overrides(qpos)
        with Renderer(task.model, view.width, view.height, view.quality) as renderer:
            views = [renderer.render(qpos, camera, overrides) for camera in view.cameras]
        return np.concatenate(views, axis=2)

    return Replay(episode.qpos, is_robot, draw)


def _replay_suite(demonstration: Demonstration) -> Replay | None:
    env_id, seed = demonstration.notes["task_name"], demonstration.notes["seed"]
    assert demonstration.actions is not None and demonstration.observations is not None
    with closing(SuiteVectorEnv(env_id)) as env:
        is_robot = robot_positions(env)
        assert is_robot is not None  # it can be replayed
        # That of the last frame repeats the one before.
        qpos, observations = replay_positions(env, seed, demonstration.actions[:-1])
    if len(qpos) != demonstration.length:
        return None
    error = np.abs(observations - demonstration.observations).max()
    if not error <= MAX_OBSERVATION_ERROR:
        return None
    return Replay(qpos, is_robot, partial(_draw_suite, env_id, seed))


def _draw_suite(env_id: str, seed: int, qpos: Positions, view: View) -> Video:
    env = SuiteVectorEnv(
        env_id, 1, "rgb_array", width=view.width, height=view.height, quality=view.quality
    )
    with closing(env):
        env.reset(seed=[seed])  # what stands elsewhere in each episode and is no position
        by_slug = {slugify(camera): camera for camera in env.cameras}
        views = [render_positions(env, qpos, by_slug.get(name, name)) for name in view.cameras]
    return np.concatenate(views, axis=2)


@cache
def _has_robot(env_id: str) -> bool:
    """Whether an environment of another suite is installed and has a robot that moves other
    things."""
    try:
        env = SuiteVectorEnv(env_id)
    except Error:
        return False
    with closing(env):
        return robot_positions(env) is not None
