"""Demonstration sets from the tasks' own behaviours: played block by block, drawn, and written episode by episode."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from roborew.config import to_json
from roborew.data.encoding import find_encoding
from roborew.data.episode import NewEpisode, Shot
from roborew.data.folder import write_folder
from roborew.data.staging import write_set
from roborew.demos.config import DemosConfig
from roborew.errors import InvalidInputError
from roborew.run import slug
from roborew.types import Frame
from roborew_envs import TaskVectorEnv, make_task
from roborew_envs.demonstrations import Episode, demonstrate, expert_pace
from roborew_envs.experts import Behaviour, behaviours
from roborew_envs.grading import Grade, Pace
from roborew_envs.rendering import Renderer, check_frame
from roborew_envs.task import Task

BLOCK = 16
"""Episodes that are played side by side, and so held in memory as states."""
DRAWN = 32
"""Frames that are drawn, and so held in memory, at once."""
FIRST_SEED = 20_000_000_000
"""Starts of demonstrations: never those that agents train on or are judged on."""
SEEDS_APART = 1_000_000
"""Starts of one seed, and so the most episodes of a behaviour."""
GRADES: tuple[Grade, ...] = ("failure", "partial", "suboptimal", "success")


@dataclass(frozen=True, slots=True, kw_only=True)
class DemosStatus:
    """How far a set is: episodes safe on the disk, of how many, and the behaviour that is played."""

    done: int
    total: int
    behaviour: str


def record_demonstrations(
    env: str, config: DemosConfig, out: str | Path, observe: Callable[[DemosStatus], None] = lambda status: None
) -> Path:
    """Write a set to ``out``, or go on with one that was interrupted; a finished one is left as it is.

    Args:
        env: id of a task of roborew that has behaviours.
        config: what it holds.
        out: folder, which appears whole at the end; until then ``<out>.unfinished`` holds the episodes that are safe.
        observe: called at first and after every episode.

    Raises:
        RunExistsError: something else is at ``out``, or was begun there.
        InvalidInputError: a behaviour, camera, size or number that does not exist or cannot be.
        DrawingError: no OpenGL, or a frame of impossible size.
    """
    task = make_task(env)
    names = _checked(task, config)
    cameras = config.cameras or task.cameras[:1]
    codec = "h264" if config.codec == "auto" and config.format == "folder" else config.codec
    fps = float(TaskVectorEnv.metadata["render_fps"])
    shot = Shot(fps=fps, encoding=find_encoding(codec), drawing=config.quality)
    request = {"env": env, **to_json(config), "cameras": cameras, "codec": shot.encoding.encoder}

    def tell(done: int) -> None:
        behaviour = names[min(done // config.episodes, len(names) - 1)]
        observe(DemosStatus(done=done, total=config.episodes * len(names), behaviour=behaviour))

    episodes = partial(_episodes, task, config, names, cameras)
    return write_set(out, request, episodes, shot, _form(config), tell)


def _form(config: DemosConfig) -> Any:
    from roborew.data.lerobot import LeRobotForm

    return write_folder if config.format == "folder" else LeRobotForm(robot_type="simulated")


def _checked(task: Task, config: DemosConfig) -> tuple[Behaviour, ...]:
    known = behaviours(task)
    for behaviour in config.behaviours:
        if behaviour not in known:
            raise InvalidInputError(f"{task.id}: no behaviour {behaviour!r}. Available: {', '.join(known) or 'none'}.")
    for camera in config.cameras:
        if camera not in task.cameras:
            raise InvalidInputError(f"{task.id}: no camera {camera!r}. Available: {', '.join(task.cameras)}.")
    for name, given in {"behaviours": config.behaviours, "cameras": config.cameras}.items():
        if len(set(given)) != len(given) or (name == "behaviours" and not given):
            raise InvalidInputError(f"{name}: expected each once, and at least one behaviour; got {', '.join(given)}.")
    if not 1 <= config.episodes <= SEEDS_APART or config.seed < 0:
        raise InvalidInputError(
            f"expected 1 to {SEEDS_APART:,} episodes and a seed from 0 up; got {config.episodes} and {config.seed}."
        )
    check_frame(config.width, config.height, config.quality)
    return cast("tuple[Behaviour, ...]", config.behaviours)


def _episodes(
    task: Task, config: DemosConfig, names: tuple[Behaviour, ...], cameras: tuple[str, ...], first: int
) -> Iterator[NewEpisode]:
    """The episodes from number ``first`` on.

    A script draws on its whole block, so a block that was begun is played again; what is safe is not drawn again.
    """
    pace = expert_pace(task)
    with Renderer(task.model, config.width, config.height, config.quality) as renderer:
        for number, behaviour in enumerate(names):
            start = FIRST_SEED + config.seed * SEEDS_APART
            for offset in range(0, config.episodes, BLOCK):
                count = min(BLOCK, config.episodes - offset)
                skip = first - number * config.episodes - offset
                if skip < count:
                    block = demonstrate(task, behaviour, range(start + offset, start + offset + count))
                    for episode in block[max(skip, 0) :]:
                        yield _new_episode(task, episode, pace, cameras, renderer)


def _new_episode(task: Task, episode: Episode, pace: Pace, cameras: tuple[str, ...], renderer: Renderer) -> NewEpisode:
    grade = episode.quality(pace)
    number = episode.seed % SEEDS_APART
    return NewEpisode(
        name=f"{slug(task.id.removeprefix('roborew/'))}-{slug(episode.behaviour)}-{number:06d}",
        instruction=task.instruction,
        columns=_columns(episode, grade),
        frames={camera: _frames(task, episode, camera, renderer) for camera in cameras},
        stages=episode.stages,
        notes={
            "task_name": task.id,
            "behaviour": episode.behaviour,
            "seed": episode.seed,
            "quality": grade,
            "onset": episode.onset,
        },
    )


def _columns(episode: Episode, grade: Grade) -> dict[str, NDArray[Any]]:
    """Numbers of the T + 1 frames of T actions.

    The last frame has no action: it repeats the one before, as LeRobot does beyond an episode's end. ``next.*`` is
    what the row's action brought; on the last row the reward is 0 and ``next.done`` True.
    """
    progress, success = episode.progress.astype(np.float32), episode.success
    gained = np.append(np.diff(episode.progress), 0.0)
    return {
        "observation.state": episode.observations,
        "action": np.concatenate([episode.actions, episode.actions[-1:]]).astype(np.float32),
        "progress": progress,
        "success": success,
        "stage": episode.stage,
        "quality": np.full(len(progress), GRADES.index(grade)),
        "next.reward": gained.astype(np.float32),
        "next.success": np.append(success[1:], success[-1]),
        "next.done": np.arange(len(progress)) == len(progress) - 1,
    }


def _frames(task: Task, episode: Episode, camera: str, renderer: Renderer) -> Iterator[Frame]:
    for start in range(0, len(episode.qpos), DRAWN):
        qpos = episode.qpos[start : start + DRAWN]
        yield from renderer.draw(qpos, camera, task.paint(qpos))
