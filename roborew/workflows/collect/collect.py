"""Demonstration sets of known behaviors: played block by block, drawn, and written episode by
episode."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from roborew.config import to_json
from roborew.data.atomic_dataset import DatasetWriter, write_dataset
from roborew.data.encoding import find_encoding
from roborew.data.episode import NewEpisode, VideoFormat
from roborew.data.manifest_writer import write_manifest_dataset
from roborew.errors import InvalidInputError
from roborew.storage.run import name_of_file, slugify
from roborew.workflows.collect.config import CollectConfig
from roborew.workflows.collect.sources import EpisodeRecord, EpisodeSource, make_source
from roborew.workflows.environments import check_environment, instruction_for
from roborew_envs.experts.behaviors import Behavior
from roborew_envs.rendering.renderer import check_frame

FIRST_SEED = 20_000_000_000
"""Starts of demonstrations: never those that agents train on or are evaluated on."""
SEEDS_PER_SET = 1_000_000
"""Starts of one seed, and so the most episodes of a behavior."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectStatus:
    """How far a set is: episodes safe on the disk, of how many, and the behavior that is
    played."""

    done: int
    total: int
    behavior: str


def collect_demonstrations(
    env: str,
    config: CollectConfig,
    out: str | Path,
    observe: Callable[[CollectStatus], None] = lambda status: None,
) -> Path:
    """Write a set to ``out``, or go on with one that was interrupted; a finished one is left as it
    is.

    Args:
        env: id of a task of roborew or of an environment of another suite.
        config: what it holds.
        out: folder, which appears whole at the end; until then ``<out>.unfinished`` holds the
            episodes that are safe.
        observe: called at first and after every episode.

    Raises:
        RunExistsError: something else is at ``out``, or was begun there.
        UnknownNameError: no such environment.
        MissingBackendError: the package of its suite is absent.
        InvalidInputError: a behavior, camera, size or number that does not exist or cannot be; or
            no instruction.
        RenderError: no OpenGL, or a frame of impossible size.
    """
    check_environment(env)
    instruction = instruction_for(env, config.instruction)
    check_frame(config.width, config.height, config.quality)
    with closing(make_source(env, config)) as source:
        named = [name_of_file(name, source.cameras) for name in config.cameras]
        config = replace(config, cameras=tuple(named))
        behaviors = _checked(env, source, config)
        cameras = config.cameras or source.cameras[:1]
        make = partial(_new_episode, env, instruction, source.sentences(instruction), cameras)
        return write_dataset(
            out,
            _request(env, config, cameras),
            partial(_episodes, source, config, behaviors, make),
            _video_format(source, config),
            _dataset_writer(source, config),
            lambda done: observe(_status(done, config, behaviors)),
        )


def _request(env: str, config: CollectConfig, cameras: tuple[str, ...]) -> dict[str, Any]:
    request = {"env": env, **to_json(config), "cameras": cameras}
    # Sets of earlier releases do not name them.
    for name in (
        "expert",
        "horizon",
        "to_horizon",
        "expert_successes",
        "success_reward",
        "options",
    ):
        if getattr(config, name) in (None, False, ()):
            del request[name]
    return request


def _status(done: int, config: CollectConfig, behaviors: tuple[Behavior, ...]) -> CollectStatus:
    # When all is done the last behavior is still the one that was played.
    number = min(done // config.episodes, len(behaviors) - 1)
    total = config.episodes * len(behaviors)
    return CollectStatus(done=done, total=total, behavior=behaviors[number])


def _video_format(source: EpisodeSource, config: CollectConfig) -> VideoFormat:
    fps = source.fps
    if config.format != "folder":
        # LeRobot knows whole rates only.
        fps = max(1, round(fps))
    return VideoFormat(fps=fps, encoding=find_encoding(config.codec), drawing=source.drawing)


def _dataset_writer(source: EpisodeSource, config: CollectConfig) -> DatasetWriter:
    from roborew.data.lerobot import LeRobotWriter

    if config.format == "folder":
        return write_manifest_dataset
    return LeRobotWriter(robot_type="simulated", legends=source.legends, rate=source.fps)


def _checked(env: str, source: EpisodeSource, config: CollectConfig) -> tuple[Behavior, ...]:
    available = source.behaviors
    for behavior in config.behaviors:
        if behavior not in available:
            raise InvalidInputError(
                f"{env}: no behavior {behavior!r}. Available: {', '.join(available) or 'none'}."
            )
    for camera in config.cameras:
        if camera not in source.cameras:
            raise InvalidInputError(
                f"{env}: no camera {camera!r}. Available: {', '.join(source.cameras)}."
            )
    for name, choices in {"behaviors": config.behaviors, "cameras": config.cameras}.items():
        if len(set(choices)) != len(choices) or (name == "behaviors" and not choices):
            raise InvalidInputError(
                f"{name}: expected each once, and at least one behavior; got {', '.join(choices)}."
            )
    # More episodes would run into the starts of the next seed's set.
    if not 1 <= config.episodes <= SEEDS_PER_SET or config.seed < 0:
        raise InvalidInputError(
            f"expected 1 to {SEEDS_PER_SET:,} episodes and a seed from 0 up; got {config.episodes} "
            f"and {config.seed}."
        )
    return cast("tuple[Behavior, ...]", config.behaviors)


def _episodes(
    source: EpisodeSource,
    config: CollectConfig,
    behaviors: tuple[Behavior, ...],
    make: Callable[[Behavior, int, EpisodeRecord], NewEpisode],
    first: int,
) -> Iterator[NewEpisode]:
    """The episodes from number ``first`` on.

    A script draws on its whole block, so a block that was begun is played again; what is safe is
    not drawn again.
    """
    number = 0
    for behavior, seeds in _blocks(source, config, behaviors):
        skip = max(first - number, 0)
        number += len(seeds)
        if skip >= len(seeds):
            continue
        episodes = zip(seeds, source.play(behavior, seeds), strict=True)
        for seed, episode in islice(episodes, skip, None):
            yield make(behavior, seed, episode)


def _blocks(
    source: EpisodeSource, config: CollectConfig, behaviors: tuple[Behavior, ...]
) -> Iterator[tuple[Behavior, range]]:
    """Behaviors in order, each with the seeds that are played together."""
    start = FIRST_SEED + config.seed * SEEDS_PER_SET
    end = start + config.episodes
    for behavior in behaviors:
        for first in range(start, end, source.block_size):
            yield behavior, range(first, min(first + source.block_size, end))


def _new_episode(
    env: str,
    instruction: str,
    sentences: Mapping[str, Sequence[str]],
    cameras: tuple[str, ...],
    behavior: Behavior,
    seed: int,
    episode: EpisodeRecord,
) -> NewEpisode:
    return NewEpisode(
        name=f"{slugify(env.removeprefix('roborew/'))}-{slugify(behavior)}-{seed % SEEDS_PER_SET:06d}",
        instruction=instruction,
        columns=_columns(episode),
        frames={camera: episode.frames(camera) for camera in cameras},
        stages=episode.stages,
        notes={"task_name": env, "behavior": behavior, "seed": seed, **sentences, **episode.notes},
    )


def _columns(episode: EpisodeRecord) -> dict[str, NDArray[Any]]:
    """Numbers of the T + 1 frames of T actions.

    The last frame has no action: it repeats the one before, as LeRobot does beyond an episode's
    end. ``next.*`` is what the row's action brought; on the last row the reward is 0 and
    ``next.done`` True.
    """
    rows = len(episode.observations)
    columns = {
        "observation.state": episode.observations.astype(np.float32),
        "action": np.concatenate([episode.actions, episode.actions[-1:]]).astype(np.float32),
        **episode.truth,
        "next.reward": np.append(episode.rewards, 0.0).astype(np.float32),
        "next.done": np.arange(rows) == rows - 1,
    }
    if episode.success is not None:
        columns |= {
            "success": episode.success,
            "next.success": np.append(episode.success[1:], episode.success[-1]),
        }
    return columns
