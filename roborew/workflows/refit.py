"""A critic refitted, while an agent learns from it, to its demonstrations and to what the agent does.

<run>/visited-1/   episodes of the agent, with what the simulator says of them: a demonstration folder
<run>/critic-1/    fitted to the demonstrations and to all such episodes so far; pays the agent from
                   there on; the critic before where all of the latest episodes were successes
"""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray

from roborew.agents.base import Agent
from roborew.config import parse_settings
from roborew.critics.critic import GOALS, Critic, is_critic, read_config
from roborew.critics.objective import Refittable
from roborew.critics.recipe import checked_recipe
from roborew.data.atomic_dataset import write_dataset
from roborew.data.demonstration import Demonstration
from roborew.data.encoding import find_encoding
from roborew.data.episode import NewEpisode, VideoFormat
from roborew.data.manifest_writer import write_manifest_dataset
from roborew.data.outcomes import set_outcomes
from roborew.data.reading import read_demonstrations
from roborew.errors import InvalidInputError, RoborewError
from roborew.evaluation import Recording, record
from roborew.registry import check_name_from_file, critics, encoders
from roborew.seeding import Seeds
from roborew.storage.run import RunDirectory
from roborew.storage.staging import new_folder
from roborew.types import BoolArray, Clip, Video, stack_frames
from roborew.workflows.factories import make_env
from roborew.workflows.fit import FitConfig, fit_critic
from roborew.workflows.fit.model_card import write
from roborew.workflows.parts import CriticConfig, EncoderConfig
from roborew.workflows.rewards import load_model
from roborew.workflows.train.cameras import read_refit_demonstrations
from roborew.workflows.train.config import TrainConfig
from roborew.workflows.trained import config_of_phase, critic_path, load_trained, visited_path
from roborew.wrappers.step_log import StepLog
from roborew_envs import TASKS

FIRST_SEED = 30_000_000_000
"""Starts of these episodes: never those that agents train on or are evaluated on."""
Labels = Callable[[Recording], dict[str, NDArray[Any]]]
"""What is said of every frame of an episode, by columns of a set."""
SEEDS_APART = 1_000
"""Starts of one refit, at most."""
STEPS_RATIO = 0.4
"""Gradient steps from the weights of the critic before, of those from scratch."""


def refit(run: RunDirectory, number: int) -> None:
    """Refit the critic of a run, unless that was done before it was interrupted.

    Where all that is told of the agent's latest episodes is that they succeed, it has misled nobody: it
    stays as it is, and nothing that the agent remembers was paid by another one. A critic with a way of
    its own to learn from episodes (`Refittable`) always does.

    Args:
        run: with a checkpoint, whose agent is watched.
        number: which refit this is, from 1.

    Raises:
        InvalidInputError: the simulator says nothing of success and this critic cannot learn
            without; or the demonstrations cannot be read.
        RoborewError: somebody has to say first which episodes brought success.
    """
    path = critic_path(run, number)
    if is_critic(path):
        return
    shutil.rmtree(path, ignore_errors=True)  # torn when an earlier session was killed
    config = run.config(TrainConfig)
    _record_visited(run, config, number)
    demonstrations = read_refit_demonstrations(config)
    by_refit = [_told_episodes(run, config, earlier) for earlier in range(1, number + 1)]
    visited = [episode for episodes in by_refit for episode in episodes]
    _check_labels(visited, config)
    before = Path(config_of_phase(run, config, number - 1).reward.name)
    if _misled_nobody(before, by_refit[-1]):
        _keep(before, path)
        return
    source = f"{(config.refit or Path()).name} and episodes of the agent"
    start = None
    if config.refit_start == "weights":
        start = Critic.from_pretrained(before)
        source += f"; from the weights of {before.name}, which may have learned from any of them"
    fitted = fit_critic(list(demonstrations), _fit_config(config), visited=visited, start=start)
    write(fitted, path, source, "roborew " + shlex.join(sys.argv[1:]))


def _misled_nobody(critic: Path, latest: Sequence[Demonstration]) -> bool:
    """Whether there is nothing to correct in a critic after the latest episodes of its agent."""
    if issubclass(_critic_class(critic), Refittable):
        return False
    return bool(latest) and all(one.succeeded is True for one in latest)


def _keep(critic: Path, path: Path) -> None:
    """Copy a critic, all of it or nothing."""
    with new_folder(path) as staged:
        shutil.copytree(critic, staged.staging, dirs_exist_ok=True)


def _critic_class(folder: Path) -> Any:
    """The class of the critic in a folder."""
    name = check_name_from_file("critic", read_config(folder)["critic"], str(folder))
    return critics.load(name)


def _critic_cameras(config: TrainConfig) -> tuple[str, ...]:
    """Names by which the critic knows its views, from left to right."""
    named = read_config(Path(config.reward.name))["recipe"].get("cameras")
    return tuple(named or read_refit_demonstrations(config)[0].cameras[:1])


def _record_visited(run: RunDirectory, config: TrainConfig, number: int) -> None:
    """Write episodes of the agent as it explores, as the critic sees them."""
    agent = load_trained(run).agent
    label = LABELS[config.refit_labels](run, config, number)
    path = visited_path(run, number)
    count = config.refit_episodes
    record_agent(config, agent, path, number, count, _critic_cameras(config), label)


def record_agent(
    config: TrainConfig,
    agent: Agent,
    path: Path,
    number: int,
    count: int,
    cameras: Sequence[str],
    label: Labels,
) -> None:
    """Write episodes of an agent as it explores into a folder set, lossless.

    Args:
        config: of its run.
        agent: that acts.
        path: of the set; one that is finished is left as it is.
        number: which time this is in the run, from 1; decides the starts.
        count: episodes, at most `SEEDS_APART`.
        cameras: names of the views that lie side by side in a frame.
        label: what is said of every frame of an episode.
    """
    first = FIRST_SEED + number * SEEDS_APART
    sees_pictures = config.observations.kind != "state"
    with closing(make_env(config, count)) as bare:
        env = bare if sees_pictures else StepLog(bare)

        def act(observations: NDArray[Any]) -> NDArray[Any]:
            # As it explores: the critic has to be right where the agent will go next.
            return agent.act(observations, deterministic=False)

        recordings = record(env, act, range(first, first + count))
        fps = float(env.metadata.get("render_fps") or 10)
    # Lossless: the critic is to learn from the very pixels that it scores.
    shot = VideoFormat(fps=fps, encoding=find_encoding("lossless"), drawing="as the agent is paid")
    episodes: list[NewEpisode] = []
    for row, recording in enumerate(recordings):
        columns = _columns(env, row, recording) | label(recording)
        name = f"visited-{number}-{row:03d}"
        episodes.append(_episode(recording, columns, config, name, cameras))
    request = {"refreshment": number, "steps": agent.steps}
    write_dataset(path, request, lambda first: episodes[first:], shot, write_manifest_dataset)


def _episode(
    recording: Recording,
    columns: dict[str, NDArray[Any]],
    config: TrainConfig,
    name: str,
    cameras: Sequence[str],
) -> NewEpisode:
    # The cameras' pictures lie side by side in a frame, as the agent's reward sees them.
    views = np.split(recording.frames, len(cameras), axis=2)
    return NewEpisode(
        name=name,
        instruction=config.sentence,
        columns=columns,
        frames=dict(zip(cameras, views, strict=True)),
    )


def _columns(
    env: VectorEnv[Any, Any, Any], row: int, recording: Recording
) -> dict[str, NDArray[Any]]:
    """What was observed and done in every frame, as `roborew collect` writes it, where an environment
    keeps it."""
    steps = {"step": np.arange(len(recording.frames))}
    if not isinstance(env, StepLog):
        return steps
    observations, actions = env.first_episode(row, recording.episode.length)
    return steps | {
        "observation.state": observations.astype(np.float32),
        "action": np.concatenate([actions, actions[-1:]]).astype(np.float32),
    }


def frame_labels(recording: Recording, env_id: str) -> dict[str, NDArray[Any]]:
    """The truth of every frame, as far as the simulator reports it.

    Args:
        recording: an episode.
        env_id: of its environment; one of another suite tells success at most, and the progress that
            it measures is for evaluation alone.
    """
    episode = recording.episode
    columns: dict[str, NDArray[Any]] = {}
    if env_id in TASKS and np.isfinite(episode.progress).all():
        columns["progress"] = np.asarray(episode.progress, np.float32)
    if episode.success is not None:
        columns["success"] = np.asarray(episode.success, np.bool_)
    return columns


def _episode_labels(
    run: RunDirectory, config: TrainConfig, number: int, outcome: Callable[[BoolArray], np.bool_]
) -> Labels:
    """Labels where all that is told is whether an episode brought success.

    Args:
        outcome: success of each frame (T,) -> that of the episode.
    """
    surest = _SurestFrame(run, config, number)

    def label(recording: Recording) -> dict[str, NDArray[Any]]:
        success = recording.episode.success
        if success is None:
            return {}
        return {"success": surest.success(recording.frames, bool(outcome(np.asarray(success))))}

    return label


class _SurestFrame:
    """When an episode that brought success did: where the critic that paid was surest of it.

    Args:
        run: whose critic paid.
        config: of the run.
        number: of the refit for which episodes were recorded.
    """

    def __init__(self, run: RunDirectory, config: TrainConfig, number: int) -> None:
        self._model = load_model(config_of_phase(run, config, number - 1))
        self._sentence = config.sentence

    def success(self, frames: Video, succeeded: bool) -> BoolArray:
        """Success of each frame, shape (T,), of an episode of which only its outcome is told."""
        if not succeeded:
            return np.zeros(len(frames), np.bool_)
        assert self._model is not None  # a critic pays a run that refits it
        (scores,) = self._model.score([Clip(frames=frames, instruction=self._sentence)])
        sureness = scores.value if scores.success is None else scores.success
        surest = int(np.argmax(np.where(scores.valid, sureness, -np.inf)))
        return np.arange(len(frames)) >= surest


def _told_episodes(run: RunDirectory, config: TrainConfig, number: int) -> list[Demonstration]:
    """The episodes of a refit, with what is told of them; without those of which nobody could tell.

    Raises:
        RoborewError: somebody has to say first which of them brought success.
    """
    path = visited_path(run, number)
    episodes = list(read_demonstrations(path))
    if config.refit_labels != "person":
        return episodes
    outcomes = set_outcomes(path)
    waiting = [one.name for one in episodes if one.name not in outcomes]
    if waiting:
        raise RoborewError(
            f"{len(waiting):,} episodes wait for somebody who says how they end: `roborew label "
            f"{shlex.quote(str(path))} --outcomes`, then `roborew train --resume "
            f"{shlex.quote(str(run.path))}`."
        )
    surest = _SurestFrame(run, config, number)
    labeled: list[Demonstration] = []
    for episode in episodes:
        if episode.succeeded is not None:
            frames = stack_frames(episode.moments(_critic_cameras(config)), episode.length)
            labeled.append(replace(episode, success=surest.success(frames, episode.succeeded)))
    return labeled


LABELS: Mapping[str, Callable[[RunDirectory, TrainConfig, int], Labels]] = {
    "frames": lambda run, config, number: partial(frame_labels, env_id=config.env.id),
    "episodes": partial(_episode_labels, outcome=np.any),
    "ends": partial(_episode_labels, outcome=lambda success: success[-1]),
    "person": lambda run, config, number: lambda recording: {},
}
"""`TrainConfig.refit_labels` -> what labels the episodes of a refit as they are recorded."""


def _check_labels(visited: list[Demonstration], config: TrainConfig) -> None:
    """A critic that needs labels would take episodes of nobody knows what for good ones."""
    place = Path(config.reward.name)
    unlabeled = any(demonstration.succeeded is None for demonstration in visited)
    if unlabeled and not issubclass(_critic_class(place), Refittable):
        able = [critic for critic in critics if issubclass(critics.load(critic), Refittable)]
        name = read_config(place)["critic"]
        raise InvalidInputError(
            f"refit: {config.env.id} does not say whether an episode succeeds, and {name!r} cannot "
            f"learn from the agent's episodes without. Able to: {', '.join(able)}."
        )


def _fit_config(config: TrainConfig) -> FitConfig:
    """As the critic was fitted, with the seed of the run."""
    folder = Path(config.reward.name)
    content = read_config(folder)
    recipe = checked_recipe(content, str(folder))
    goals = folder / GOALS
    objective = parse_settings(critics.load(content["critic"]), recipe["objective"])
    encoder = parse_settings(encoders.load(recipe["encoder_name"]), recipe["encoder"])
    if config.refit_start == "weights":
        objective, encoder = map(_with_fewer_steps, (objective, encoder))
    return FitConfig(
        critic=CriticConfig(content["critic"], objective),
        ensemble_size=recipe.get("members", 1),
        encoder=EncoderConfig(recipe["encoder_name"], encoder),
        cameras=_critic_cameras(config),
        fps=recipe.get("fps"),
        swap_negatives=recipe.get("swap_negatives", 0),
        goal_images=goals if goals.is_dir() else None,
        # The name of the stream of random numbers decides the numbers, so it stays.
        seed=Seeds(config.seed).integer("refresh"),
        calibrate=content["calibration"] is not None,
        threads=config.threads,
        device=config.device,
    )


def _with_fewer_steps(options: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with `STEPS_RATIO` of the gradient steps, where there are any."""
    if "steps" not in options:
        return dict(options)
    return {**options, "steps": max(1, round(STEPS_RATIO * options["steps"]))}
