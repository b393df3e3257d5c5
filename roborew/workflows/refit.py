"""A critic fitted anew, while an agent learns from it, to its demonstrations and to what the agent
does.

<run>/visited-1/   episodes of the agent, with what the simulator says of them: a demonstration
folder <run>/critic-1/    fitted to the demonstrations and to all such episodes so far; pays the
agent from there on
"""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roborew.critics.critic import GOALS, is_critic, read_config
from roborew.critics.objective import Refittable
from roborew.data.demonstration import Demonstration
from roborew.data.demonstrations import read_demonstrations
from roborew.data.encoding import find_encoding
from roborew.data.episode import NewEpisode, Shot
from roborew.data.folder import write_folder
from roborew.data.staging import write_set
from roborew.errors import InvalidInputError
from roborew.evaluation import Recording, record
from roborew.registry import critics
from roborew.seeding import Seeds
from roborew.storage.run import RunDirectory
from roborew.workflows.factories import critic_path, load_trained, make_env, read_refreshing
from roborew.workflows.fit import FitConfig, fit_critic
from roborew.workflows.fit.model_card import write
from roborew.workflows.train.config import TrainConfig

EPISODES = 32
"""Of the agent, each time."""
FIRST_SEED = 30_000_000_000
"""Starts of these episodes: never those that agents train on or are judged on."""
SEEDS_APART = 1_000
"""Starts of one refreshment."""


def refresh(run: RunDirectory, number: int) -> None:
    """Fit the critic of a run anew, unless that was done before it was interrupted.

    Args:
        run: with a checkpoint, whose agent is watched.
        number: which refreshment this is, from 1.

    Raises:
        InvalidInputError: the simulator says nothing of success and this critic cannot learn
            without; or the demonstrations cannot be read.
    """
    path = critic_path(run, number)
    if is_critic(path):
        return
    shutil.rmtree(path, ignore_errors=True)  # torn when an earlier session was killed
    config = run.config(TrainConfig)
    _watch_agent(run, config, number)
    demonstrations = list(read_refreshing(config))
    visited = [
        one for each in range(1, number + 1) for one in read_demonstrations(_visited(run, each))
    ]
    fitted = fit_critic(demonstrations, _fit_config(config), visited=_labelled(visited, config))
    source = f"{(config.refit or Path()).name} and episodes of the agent"
    write(fitted, path, source, "roborew " + shlex.join(sys.argv[1:]))


def _visited(run: RunDirectory, number: int) -> Path:
    return run.path / f"visited-{number}"


def _cameras(config: TrainConfig) -> tuple[str, ...]:
    """Names by which the critic knows its views, from left to right."""
    named = read_config(Path(config.reward))["recipe"].get("cameras")
    return tuple(named or read_refreshing(config)[0].cameras[:1])


def _watch_agent(run: RunDirectory, config: TrainConfig, number: int) -> None:
    """Write episodes of the agent as it explores, as the critic sees them."""
    agent, cameras = load_trained(run).agent, _cameras(config)
    starts = range(FIRST_SEED + number * SEEDS_APART, FIRST_SEED + number * SEEDS_APART + EPISODES)
    with closing(make_env(config, EPISODES)) as env:
        seen = record(
            env, lambda observations: agent.act(observations, deterministic=False), starts
        )
        fps = float(env.metadata.get("render_fps") or 10)
    shot = Shot(fps=fps, encoding=find_encoding("lossless"), drawing="as the agent is paid")
    names = [f"visited-{number}-{place:03d}" for place in range(EPISODES)]
    episodes = [_episode(one, config, name, cameras) for one, name in zip(seen, names, strict=True)]
    request = {"refreshment": number, "steps": agent.steps}
    write_set(_visited(run, number), request, lambda first: episodes[first:], shot, write_folder)


def _episode(
    recording: Recording, config: TrainConfig, name: str, cameras: Sequence[str]
) -> NewEpisode:
    seen = recording.episode
    columns: dict[str, NDArray[Any]] = {"step": np.arange(len(recording.frames))}
    if np.isfinite(seen.progress).all():
        columns["progress"] = np.asarray(seen.progress, np.float32)
    if seen.success is not None:
        columns["success"] = np.asarray(seen.success, np.bool_)
    frames = dict(zip(cameras, np.split(recording.frames, len(cameras), axis=2), strict=True))
    return NewEpisode(name=name, instruction=config.sentence, columns=columns, frames=frames)


def _labelled(visited: list[Demonstration], config: TrainConfig) -> list[Demonstration]:
    """The episodes, unless a critic that needs labels would take those of nobody knows what for
    good ones."""
    name = read_config(Path(config.reward))["critic"]
    kind = critics.load(name)
    if any(one.succeeded is None for one in visited) and not issubclass(kind, Refittable):
        able = [each for each in critics if issubclass(critics.load(each), Refittable)]
        raise InvalidInputError(
            f"refit: {config.env} does not say whether an episode succeeds, and {name!r} cannot "
            f"learn from the "
            f"agent's episodes without. Able to: {', '.join(able)}."
        )
    return visited


def _fit_config(config: TrainConfig) -> FitConfig:
    """As the critic was fitted, with the seed of the run."""
    content = read_config(Path(config.reward))
    recipe, goals = content["recipe"], Path(config.reward) / GOALS
    return FitConfig(
        critic=content["critic"],
        option=tuple(recipe["objective"]),
        ensemble_size=recipe.get("members", 1),
        encoder=recipe["encoder_name"],
        encoder_option=tuple(recipe["encoder"]),
        camera=",".join(_cameras(config)),
        fps=recipe.get("fps"),
        goal_images=goals if goals.is_dir() else None,
        seed=Seeds(config.seed).integer("refresh"),
        calibrate=content["calibration"] is not None,
        threads=config.threads,
        device=config.device,
    )
