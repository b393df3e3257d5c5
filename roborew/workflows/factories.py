"""Environments and agents, made from the configuration of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, cast

import gymnasium
from gymnasium import Space
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray

from roborew.agents.base import Agent
from roborew.config import current_names, options_class
from roborew.errors import InvalidInputError
from roborew.seeding import Seeds
from roborew.workflows.environments import (
    check_success_reward,
    environment_options,
    robot_state,
)
from roborew.workflows.train.config import EnvConfig, TrainConfig
from roborew.wrappers.pixel_observations import PixelObservations

Environment = VectorEnv[Any, Any, Any]
FRAME_STACK = 2
"""Frames of an observation if a run does not say: enough for a velocity."""


def make_env(config: TrainConfig, num_envs: int, **options: Any) -> Environment:
    """Return a vector environment that pays its own, true reward, shows what the agent is to see and
    leaves resets to the caller.

    Args:
        config: see `make_state_env`; names the observations as well.
        num_envs: simulations.
        **options: see `make_state_env`.

    Raises:
        InvalidInputError: pictures of an environment that draws none.
    """
    own = config.observations.cameras
    if own:
        options["camera"] = ",".join([*config.env.cameras, *own])
    return observe(config, make_state_env(config, num_envs, **options))


def observe(
    config: TrainConfig, env: Environment, frame_shape: tuple[int, int] | None = None
) -> Environment:
    """Return an environment as the agent of a run observes it; if that fails, ``env`` is closed.

    Args:
        config: of the run.
        env: observed by its state.
        frame_shape: see `PixelObservations`.
    """
    observations = config.observations
    if observations.kind == "state":
        return env
    vector = slice(None) if observations.kind == "both" else robot_state(config.env.id)
    try:
        return PixelObservations(
            env,
            num_views=max(1, len(config.env.cameras)),
            num_own_views=len(observations.cameras),
            frame_stack=observations.frame_stack or FRAME_STACK,
            shrink=observations.shrink,
            vector=vector,
            joint_stack=getattr(config.agent.factory(), "joint_stack", False),
            frame_shape=frame_shape,
        )
    except BaseException:
        env.close()  # nobody else has it yet
        raise


def make_state_env(config: TrainConfig, num_envs: int, **options: Any) -> Environment:
    """Return a vector environment that shows its state, pays its own, true reward and leaves resets
    to the caller.

    Args:
        config: names the environment and its camera, or several, whose pictures then lie side by
            side in a frame.
        num_envs: simulations.
        **options: for the environment, in place of the configured ones, such as ``width``.
    """
    suites = import_module("roborew_envs.suites")
    env_id = config.env.id
    options = {
        "render_mode": "rgb_array",
        "autoreset_mode": AutoresetMode.DISABLED,
        **_drawing_options(config.env, suites.DEFAULT_CAMERA),
        **_step_options(config.env),
        **environment_options(env_id, config.env.options),
        **options,
    }
    envs = import_module("roborew_envs")
    if env_id in envs.TASKS:
        check_success_reward(env_id, config.env.success_reward)
        return envs.TaskVectorEnv(envs.make_task(env_id), num_envs, **options)
    # A vector environment of others may know nothing of autoreset modes: it is used only where
    # there is no single one.
    if suites.find_env_spec(env_id).entry_point is None:
        _check_no_step_options(config.env)
        return gymnasium.make_vec(
            env_id, num_envs=num_envs, vectorization_mode="vector_entry_point", **options
        )
    return suites.SuiteVectorEnv(env_id, num_envs, **options)


def _drawing_options(env: EnvConfig, default_camera: str) -> dict[str, Any]:
    """What was chosen; an environment of others need not know the rest."""
    options = dict[str, Any]()
    if env.cameras not in ((), (default_camera,)):
        options["camera"] = ",".join(env.cameras)
    if env.quality != "fast":
        options["quality"] = env.quality
    if env.width is not None:
        options["width"] = env.width
    if env.height is not None:
        options["height"] = env.height
    return options


def _step_options(env: EnvConfig) -> dict[str, Any]:
    """What was chosen of steps; an environment of others need not know the rest."""
    options = dict[str, Any]()
    if env.horizon is not None:
        options["horizon"] = env.horizon
    if env.action_repeat != 1:
        options["action_repeat"] = env.action_repeat
    if env.success_reward is not None:
        options["success_reward"] = env.success_reward
    return options


def _check_no_step_options(env: EnvConfig) -> None:
    chosen = [f"--env.{name.replace('_', '-')}" for name in _step_options(env)]
    if chosen:
        raise InvalidInputError(
            f"{' and '.join(chosen)}: {env.id} is a vector environment alone, which ends and repeats "
            "by its own rules; leave it out, or register a single environment."
        )


def make_agent(
    config: TrainConfig, env: Environment, settings: Mapping[str, Any] | None = None
) -> Agent:
    """Return an untrained agent for the environment.

    Args:
        config: names the agent, its settings and the seed.
        env: gives the spaces.
        settings: of a saved agent, in place of the configured ones.

    Raises:
        UnknownNameError: the agent has no such setting.
        InvalidInputError: a setting is out of its range, or the agent knows no such spaces.
    """
    spaces = cast(Any, env)  # Gymnasium leaves the parameter of these spaces open
    arguments = (spaces.single_observation_space, spaces.single_action_space)
    seed = Seeds(config.seed).integer("agent")
    factory = config.agent.factory()
    settings_class = options_class(factory)
    if settings is None:
        options = config.agent.typed_options()
    else:
        options = current_names(settings_class, settings, f"checkpoint of {config.agent.name}")
    return construct_agent(factory, *arguments, seed, options)


def construct_agent(
    factory: Callable[..., Agent],
    observation_space: Space[Any],
    action_space: Space[Any],
    seed: int,
    options: Mapping[str, Any],
) -> Agent:
    """Call the class of an agent with settings by name, however it takes them."""
    spaces = (observation_space, action_space)
    settings_class = options_class(factory)
    # An agent without a dataclass of settings takes them as plain keywords.
    if settings_class is factory:
        return factory(*spaces, seed=seed, **options)
    return factory(*spaces, config=settings_class(**options), seed=seed)


def load_agent(agent: Agent, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> None:
    """Let the agent take over a saved state, whose settings may have the names of an earlier
    release."""
    settings = current_names(agent.config, meta["config"], "agent")
    agent.load_state_dict(arrays, {**meta, "config": settings})
