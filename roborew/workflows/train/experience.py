"""What an agent did before its critic was refitted, paid anew by the new one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from roborew.agents.base import Agent
from roborew.data.demonstration import MIN_FRAMES, Demonstration
from roborew.storage.run import RunDirectory
from roborew.storage.staging import remove_tree
from roborew.types import Frame, renderable
from roborew.workflows.factories import Environment, make_env
from roborew.workflows.train.config import TrainConfig
from roborew.workflows.trained import experience_path, last_change, pictures_path
from roborew.wrappers.experience_log import ExperienceLog, LoggedEpisode

FPS = 10.0
"""Frames per second of an environment that does not say; nothing here depends on it."""


def make_logged_env(run: RunDirectory, config: TrainConfig, refits: int) -> Environment:
    """Return the environment of a run after so many refits; where a later one pays the agent's steps anew,
    they are logged."""
    env = make_env(config, config.num_envs)
    if not _keeps_log(config, env):
        return env
    try:
        is_last = refits == len(config.phases) - 1
        return ExperienceLog(env, experience_path(run), refits, is_last)
    except BaseException:
        env.close()  # nobody else has it yet
        raise


def _keeps_log(config: TrainConfig, env: Environment) -> bool:
    """Whether steps are logged: an environment that cannot give its state cannot go back to where the log
    ends, either."""
    return config.rescores_replay and renderable(env) is not None


def keep_pictures(run: RunDirectory, config: TrainConfig, agent: Agent) -> None:
    """Let an agent that remembers pictures keep them in a file of its run."""
    keep: Callable[[Path], None] | None = getattr(agent, "keep_pictures", None)
    if keep is not None and config.observations.kind != "state":
        keep(pictures_path(run))


def forget_experience(run: RunDirectory) -> None:
    """Remove what only a run that goes on needs."""
    for folder in (experience_path(run), pictures_path(run).parent):
        if folder.exists():
            remove_tree(folder)


@dataclass(frozen=True, slots=True)
class Experience:
    """Episodes of an agent's own.

    Attributes:
        episodes: as a set of demonstrations would show them.
        terminations: names of those that the environment ended, and no time limit.
    """

    episodes: list[Demonstration]
    terminations: frozenset[str]


NO_EXPERIENCE = Experience([], frozenset())
"""Of an agent that begins."""


def read_experience(
    run: RunDirectory, config: TrainConfig, refits: int, env: Environment
) -> Experience:
    """Return what the agent did before it was given its critic.

    Args:
        run: of the agent.
        config: of the run.
        refits: so far.
        env: from `make_logged_env`.
    """
    logged: list[LoggedEpisode] = []
    if isinstance(env, ExperienceLog):
        logged = env.episodes(before_phase=last_change(run, refits))
    # Fewer frames show no order, and a demonstration has to.
    logged = [one for one in logged if len(one.observations) >= MIN_FRAMES]
    terminations = frozenset(one.name for one in logged if one.terminated)
    return Experience([_demonstration(config, one) for one in logged], terminations)


def _demonstration(config: TrainConfig, episode: LoggedEpisode) -> Demonstration:
    cameras = config.env.cameras or ("default",)

    def frames(camera: str) -> Iterator[Frame]:
        view = cameras.index(camera)
        for picture in episode.pictures:
            yield np.split(picture, len(cameras), axis=1)[view]

    return Demonstration(
        name=episode.name,
        instruction=config.sentence,
        length=len(episode.observations),
        fps=FPS,
        cameras=cameras,
        source=frames,
        success=episode.success,
        observations=episode.observations,
        # That of the last frame repeats the one before, as in any set.
        actions=np.concatenate([episode.actions, episode.actions[-1:]]),
    )
