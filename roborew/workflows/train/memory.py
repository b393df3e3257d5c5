"""What an agent will have to remember, held against the memory and the disk that there are before a
run begins."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from roborew.errors import InvalidInputError
from roborew.storage.staging import Target
from roborew.types import frame_renderer
from roborew.workflows.rewards import RewardEnv
from roborew.workflows.train.config import TrainConfig

COPIES_IN_MEMORY = 3
"""While a checkpoint is written: what is remembered, a copy, and the file's bytes."""
COPIES_ON_DISK = 3
"""Checkpoints kept, and the one that is written."""
WORTH_SAYING = 1e9
"""Size of a replay that is announced [bytes]."""
_MEMORY = Path("/proc/meminfo")


def check_memory(config: TrainConfig, agent: Any, folder: Path) -> str | None:
    """Say how much a run will remember; None where that is little.

    Args:
        config: of the run, resolved.
        agent: of the run.
        folder: where the run is to stand; it need not exist.

    Raises:
        InvalidInputError: more than the free memory or disk can hold.
    """
    sizes = (config.num_envs, config.timesteps)
    needed = _ask(agent, "replay_bytes", *sizes)
    pictures = _ask(agent, "picture_bytes", *sizes)
    if not needed:
        return None
    advice = "lower --agent.buffer-size"
    _require(
        COPIES_IN_MEMORY * needed, available_memory(), "of memory, with its checkpoints", advice
    )
    if pictures:
        advice += ", raise --observations.shrink, or lower --total-timesteps"
    on_disk = COPIES_ON_DISK * needed + pictures
    _require(on_disk, _free_disk(folder), f"in {folder}, with its checkpoints", advice)
    if max(needed, pictures) < WORTH_SAYING:
        return None
    return f"replay: up to {_say(needed)} of memory; {_say(on_disk)} of disk"


def _ask(agent: Any, name: str, num_envs: int, total_steps: int) -> int:
    """What an agent says that it needs [bytes], 0 where it says nothing."""
    answer: Callable[[int, int], int] | None = getattr(agent, name, None)
    return 0 if answer is None else answer(num_envs, total_steps)


def with_room(path: Target, config: TrainConfig, agent: Any, env: RewardEnv) -> Target:
    """Return where a run is to stand, if there is room for what its agent remembers, and for the
    pictures that a new critic is to pay anew.

    Raises:
        InvalidInputError: as of `check_memory`, or the disk has no room for the pictures.
    """
    candidates = iter([Path(path)] if isinstance(path, str | Path) else path)
    first = next(candidates)
    folder = first.absolute().parent
    check_memory(config, agent, folder)
    _require(
        logged_bytes(config, env),
        _free_disk(folder),
        f"in {folder}, with the pictures that a new critic is to pay",
        "give --refit-replay forget, raise --score-every, or lower --env.width and --env.height",
    )
    return path if isinstance(path, str | Path) else itertools.chain([first], candidates)


def logged_bytes(config: TrainConfig, env: RewardEnv) -> int:
    """Room that the pictures take which a new critic is to pay anew; 0 where it pays none.

    Args:
        config: of the run, resolved.
        env: that the agent learns in; it is reset, and one picture is drawn.
    """
    if not config.rescores_replay:
        return 0
    env.reset(seed=0)
    picture = frame_renderer(env)(np.array([0]))
    return picture.nbytes * config.phases[-2] // config.score_every


def _free_disk(folder: Path) -> int:
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def available_memory() -> int | None:
    """Memory that can be had without swapping [bytes]; None where the system does not say."""
    if not _MEMORY.exists():
        return None
    for line in _MEMORY.read_text().splitlines():
        name, _, rest = line.partition(":")
        if name == "MemAvailable":
            return int(rest.split()[0]) * 1024
    return None


def _require(needed: int, available: int | None, place: str, advice: str) -> None:
    if available is not None and needed > available:
        raise InvalidInputError(
            f"replay: what the agent is to remember takes {_say(needed)} {place}; "
            f"{_say(available)} are free. To make it fit, {advice}."
        )


def _say(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{max(1, round(count / 1e6))} MB"
