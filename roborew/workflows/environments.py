"""What is known of an environment by its id: whether it exists, its task, its instruction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from inspect import signature
from typing import Any

import gymnasium

from roborew.config import parse_plain_options
from roborew.errors import InvalidInputError, MissingBackendError, UnknownNameError
from roborew.types import check_instruction
from roborew_envs import TASKS, make_task
from roborew_envs.core.task import Task
from roborew_envs.suites import SuiteVectorEnv, find_env_spec
from roborew_envs.suites.env_specs import ROBOT_STATES, ids_of_module
from roborew_envs.suites.instructions import INSTRUCTIONS


def check_environment(env_id: str) -> None:
    """Raise unless there is such an environment.

    Raises:
        UnknownNameError: no such environment; close matches and the list are offered.
        MissingBackendError: the package of its suite is absent.
    """
    if env_id in TASKS:
        return
    try:
        # Also imports the module of "module:Environment-v0".
        find_env_spec(env_id)
    except gymnasium.error.DependencyNotInstalled as error:
        raise MissingBackendError(str(error)) from error
    except gymnasium.error.Error as error:
        raise UnknownNameError("environment", env_id, _siblings(env_id)) from error


def _siblings(env_id: str) -> Iterable[str]:
    """The environments that an unknown one may be a misspelling of."""
    module, _, _ = env_id.rpartition(":")
    if module:
        return ids_of_module(module)
    # A suite of hundreds would bury the names that are alike.
    suite = env_id.split("/")[0] if "/" in env_id else None
    return [name for name in gymnasium.registry if name.split("/")[0] == suite] or TASKS


def task_class(env_id: str) -> type[Task]:
    """Return the task of an environment, and `Task` itself, with its defaults, for environments of
    other suites."""
    return type(make_task(env_id)) if env_id in TASKS else Task


def environment_options(env_id: str, words: Sequence[str]) -> dict[str, Any]:
    """Read settings that only an environment of another suite knows.

    Args:
        env_id: of the environment.
        words: key=value, each value a number, true, false, null or else text.

    Raises:
        InvalidInputError: for a task of roborew, which has none; or one that has an option of its own.
    """
    options = parse_plain_options(words)
    if options and env_id in TASKS:
        raise InvalidInputError(
            f"options: {env_id} is a task of roborew, which has no further settings; got "
            f"{', '.join(options)}."
        )
    reserved = [name for name in options if name in signature(SuiteVectorEnv).parameters]
    if reserved:
        raise InvalidInputError(
            f"options: {', '.join(reserved)} cannot be given here; see --help for an option of the "
            "name."
        )
    return options


def check_success_reward(env_id: str, success_reward: float | None) -> None:
    """Raise `InvalidInputError` where a task of roborew, which tells success itself, is given a
    reward to tell it by."""
    if success_reward is not None and env_id in TASKS:
        raise InvalidInputError(
            f"success_reward: {env_id} is a task of roborew, which tells success itself; leave it out."
        )


def robot_state(env_id: str) -> slice | None:
    """Return the entries of an observation that are the robot's own, None where the environment does
    not say; see `Task.robot_state`."""
    of_task = task_class(env_id).robot_state
    return ROBOT_STATES.get(env_id.split("/")[0]) if of_task is None else of_task


def instruction_for(env_id: str, instruction: str | None) -> str:
    """Return the instruction if one is given, else the environment's own.

    Raises:
        InvalidInputError: it breaks the rule, or is missing and the environment has none of its own.
    """
    if instruction is not None:
        return check_instruction(instruction)
    if env_id in INSTRUCTIONS:
        return INSTRUCTIONS[env_id]
    if env_id in TASKS:
        return make_task(env_id).instruction
    raise InvalidInputError(
        f"instruction: {env_id} has no instruction of its own; say what to do with --instruction."
    )
