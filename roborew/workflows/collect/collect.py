"""Demonstration sets of known behaviors: played block by block, drawn, and written episode by
episode."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from roborew.config import to_json
from roborew.data.encoding import find_encoding
from roborew.data.episode import NewEpisode, Shot
from roborew.data.folder import write_folder
from roborew.data.staging import Form, write_set
from roborew.errors import InvalidInputError
from roborew.storage.run import slug
from roborew.workflows.collect.config import CollectConfig
from roborew.workflows.collect.sources import EpisodeRecord, Source, open_source
from roborew.workflows.environments import check_environment, instruction_for
from roborew_envs.experts.behaviors import Behavior
from roborew_envs.rendering.renderer import check_frame

FIRST_SEED = 20_000_000_000
"""Starts of demonstrations: never those that agents train on or are judged on."""
SEEDS_APART = 1_000_000
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
    with closing(open_source(env, config)) as source:
        names = _checked(env, source, config)
        cameras = config.cameras or source.cameras[:1]
        fps = (
            source.fps if config.format == "folder" else max(1, round(source.fps))
        )  # LeRobot knows whole ones only
        shot = Shot(fps=fps, encoding=find_encoding(config.codec), drawing=source.drawing)
        request = {"env": env, **to_json(config), "cameras": cameras}

        def tell(done: int) -> None:
            behavior = names[min(done // config.episodes, len(names) - 1)]
            observe(CollectStatus(done=done, total=config.episodes * len(names), behavior=behavior))

        make = partial(_new_episode, env, instruction, source.sentences(instruction), cameras)
        return write_set(
            out,
            request,
            partial(_episodes, source, config, names, make),
            shot,
            _form(source, config),
            tell,
        )


def _form(source: Source, config: CollectConfig) -> Form:
    from roborew.data.lerobot import LeRobotForm

    if config.format == "folder":
        return write_folder
    return LeRobotForm(robot_type="simulated", legends=source.legends, rate=source.fps)


def _checked(env: str, source: Source, config: CollectConfig) -> tuple[Behavior, ...]:
    known = source.behaviors
    for behavior in config.behaviors:
        if behavior not in known:
            raise InvalidInputError(
                f"{env}: no behavior {behavior!r}. Available: {', '.join(known) or 'none'}."
            )
    for camera in config.cameras:
        if camera not in source.cameras:
            raise InvalidInputError(
                f"{env}: no camera {camera!r}. Available: {', '.join(source.cameras)}."
            )
    for name, given in {"behaviors": config.behaviors, "cameras": config.cameras}.items():
        if len(set(given)) != len(given) or (name == "behaviors" and not given):
            raise InvalidInputError(
                f"{name}: expected each once, and at least one behavior; got {', '.join(given)}."
            )
    if not 1 <= config.episodes <= SEEDS_APART or config.seed < 0:
        raise InvalidInputError(
            f"expected 1 to {SEEDS_APART:,} episodes and a seed from 0 up; got {config.episodes} "
            f"and {config.seed}."
        )
    return cast("tuple[Behavior, ...]", config.behaviors)


def _episodes(
    source: Source,
    config: CollectConfig,
    names: tuple[Behavior, ...],
    make: Callable[[Behavior, int, EpisodeRecord], NewEpisode],
    first: int,
) -> Iterator[NewEpisode]:
    """The episodes from number ``first`` on.

    A script draws on its whole block, so a block that was begun is played again; what is safe is
    not drawn again.
    """
    start = FIRST_SEED + config.seed * SEEDS_APART
    for number, behavior in enumerate(names):
        for offset in range(0, config.episodes, source.block):
            count = min(source.block, config.episodes - offset)
            skip = max(first - number * config.episodes - offset, 0)
            if skip < count:
                seeds = range(start + offset, start + offset + count)
                takes = zip(seeds, source.takes(behavior, seeds), strict=True)
                yield from (make(behavior, seed, take) for seed, take in islice(takes, skip, None))


def _new_episode(
    env: str,
    instruction: str,
    sentences: Mapping[str, Sequence[str]],
    cameras: tuple[str, ...],
    behavior: Behavior,
    seed: int,
    take: EpisodeRecord,
) -> NewEpisode:
    return NewEpisode(
        name=f"{slug(env.removeprefix('roborew/'))}-{slug(behavior)}-{seed % SEEDS_APART:06d}",
        instruction=instruction,
        columns=_columns(take),
        frames={camera: take.frames(camera) for camera in cameras},
        stages=take.stages,
        notes={"task_name": env, "behavior": behavior, "seed": seed, **sentences, **take.notes},
    )


def _columns(take: EpisodeRecord) -> dict[str, NDArray[Any]]:
    """Numbers of the T + 1 frames of T actions.

    The last frame has no action: it repeats the one before, as LeRobot does beyond an episode's
    end. ``next.*`` is what the row's action brought; on the last row the reward is 0 and
    ``next.done`` True.
    """
    rows = len(take.observations)
    columns = {
        "observation.state": take.observations.astype(np.float32),
        "action": np.concatenate([take.actions, take.actions[-1:]]).astype(np.float32),
        **take.truth,
        "next.reward": np.append(take.rewards, 0.0).astype(np.float32),
        "next.done": np.arange(rows) == rows - 1,
    }
    if take.success is not None:
        columns |= {
            "success": take.success,
            "next.success": np.append(take.success[1:], take.success[-1]),
        }
    return columns
