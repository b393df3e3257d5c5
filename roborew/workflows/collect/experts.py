"""The expert of an environment that brings none: the agent of a run, or a function."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from roborew.agents.base import EpisodicAgent
from roborew.errors import InvalidInputError
from roborew.registry import Registry
from roborew.storage.run import RunDirectory
from roborew.workflows.trained import load_trained

Expert = Callable[[NDArray[Any]], NDArray[np.float32]]
"""Observations (N, D) to actions (N, A)."""


class LoadedExpert(NamedTuple):
    """What plays the expert, and for how many steps it repeats each action."""

    policy: Expert
    action_repeat: int


def load_expert(name: Path, env: str) -> LoadedExpert:
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
    return LoadedExpert(cast("Expert", Registry("expert").load(str(name))), 1)


def expert_of_run(path: Path, env: str) -> LoadedExpert:
    """Return what a trained agent does.

    Args:
        path: folder of the run.
        env: id of the environment that it is to show.

    Raises:
        InvalidInputError: the run has no checkpoint, is of another environment, or its agent sees
            pictures or remembers the episode.
        CorruptFileError: the run cannot be read.
    """
    trained = load_trained(RunDirectory.open(path))
    config, agent = trained.config, trained.agent
    reasons = {
        f"it was trained in {config.env.id}, and {env} is to be shown": config.env.id != env,
        "its agent sees pictures": config.observations.kind != "state",
        f"its agent ({config.agent.name}) remembers the episode": isinstance(agent, EpisodicAgent),
    }
    for reason, applies in reasons.items():
        if applies:
            raise InvalidInputError(
                f"expert: {path} cannot show how {env} is done: {reason}. Train an agent on the state, "
                f"for example with `roborew train --env {env} --reward env --agent sac`."
            )

    def act(observations: NDArray[Any]) -> NDArray[np.float32]:
        return agent.act(observations).astype(np.float32)

    return LoadedExpert(act, config.env.action_repeat)
