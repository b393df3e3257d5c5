"""The expert of an environment that brings none: the agent of a run, or a function."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from roborew.agents.base import EpisodicAgent
from roborew.errors import InvalidInputError
from roborew.registry import Registry
from roborew.storage.run import RunDirectory
from roborew.workflows.trained import load_trained

Expert = Callable[[NDArray[Any]], NDArray[np.float32]]
"""Observations (N, D) to actions (N, A)."""


def load_expert(name: Path, env: str) -> Expert:
    """Return what plays the expert.

    Args:
        name: folder of a run, or ``package.module:function``.
        env: id of the environment that it is to show.

    Raises:
        MissingBackendError: the module is not there.
        InvalidInputError: the module holds no such function; or as of `expert_of_run`.
        CorruptFileError: as of `expert_of_run`.
    """
    if name.exists() or ":" not in str(name):
        return expert_of_run(name, env)
    return cast("Expert", Registry("expert").load(str(name)))


def expert_of_run(path: Path, env: str) -> Expert:
    """Return what a trained agent does, observations (N, D) to actions (N, A).

    Args:
        path: folder of the run.
        env: id of the environment that it is to show.

    Raises:
        InvalidInputError: the run has no checkpoint, is of another environment, repeats its actions,
            or its agent sees pictures or remembers the episode.
        CorruptFileError: the run cannot be read.
    """
    trained = load_trained(RunDirectory.open(path))
    config, agent = trained.config, trained.agent
    reasons = {
        f"it was trained in {config.env.id}, and {env} is to be shown": config.env.id != env,
        "it repeats its actions, and a set holds every step": config.env.action_repeat != 1,
        "its agent sees pictures": config.observations.kind != "state",
        f"its agent ({config.agent.name}) remembers the episode": isinstance(agent, EpisodicAgent),
    }
    for reason, applies in reasons.items():
        if applies:
            raise InvalidInputError(
                f"expert: {path} cannot show how {env} is done: {reason}. Train an agent on the state, "
                f"for example with `roborew train --env {env} --reward env --agent sac`."
            )
    return lambda observations: agent.act(observations).astype(np.float32)
