"""Policies that stand beside an agent: one that knows nothing, one that knows the task."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, cast

import numpy as np
from gymnasium.spaces import Box, Discrete, MultiBinary, MultiDiscrete
from numpy.typing import NDArray

from roborew.evaluation import Policy
from roborew.seeding import Seeds
from roborew.types import renderable
from roborew.workflows.factories import Environment
from roborew.workflows.train.config import TrainConfig


def random_policy(env: Environment, seed: int) -> Policy:
    """Actions drawn uniformly from a bounded or discrete space."""
    # Gymnasium leaves the parameter of these spaces open; a copy, as the environment draws from its own.
    space: Box | Discrete | MultiDiscrete | MultiBinary
    space = deepcopy(cast(Any, env).single_action_space)
    space.seed(seed)
    rng = Seeds(seed).generator("random policy")
    num_envs = env.num_envs

    def act(observations: Any) -> NDArray[Any]:
        del observations
        if isinstance(space, MultiDiscrete | MultiBinary):
            return np.stack([cast(Any, space).sample() for _ in range(num_envs)])
        if isinstance(space, Discrete):
            # Exclusive, as numpy's integers() wants it; a space need not start at 0.
            end = space.start + space.n
            return rng.integers(space.start, end, num_envs)
        shape = (num_envs, *space.shape)
        actions = rng.uniform(space.low, space.high, shape)
        return actions.astype(np.float32)

    return act


def expert_policy(env: Environment, config: TrainConfig) -> Policy | None:
    """The expert of a task, scripted or trained; None if it has none. Roborew's own scripts read
    the simulator."""
    from roborew_envs import TASKS, make_task
    from roborew_envs.experts.behaviors import available_behaviors, make_policy

    if config.env.id not in TASKS:
        inner = renderable(env)
        return None if inner is None else inner.expert
    task = make_task(config.env.id)
    if "expert" not in available_behaviors(task):
        return None
    # Scripts read the state of the simulator, which observations do not hold.
    core: Any = cast(Any, env.unwrapped).core
    expert = make_policy(task, "expert", Seeds(config.seed).generator("expert"))
    return lambda observations: expert.act(core.simulation.qpos, core.progress, core.observe())
