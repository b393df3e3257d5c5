"""From an id to its suite: what must be imported before Gymnasium knows it, and what to install if
it is absent."""

from __future__ import annotations

import os
import re
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from inspect import Parameter, signature
from types import MappingProxyType

import gymnasium
from gymnasium.envs.registration import EnvSpec, load_env_creator

from roborew_envs.core.user_modules import UserModuleError, import_user_module
from roborew_envs.rendering.opengl import backend, load_triton_first

_SUITE_PACKAGES = {
    "Meta-World": ("metaworld", "metaworld", "roborew_envs.suites.metaworld"),
    "dm_control": ("dm_control", "shimmy", "shimmy"),
}
"""Namespace of an id -> roborew's extra, the package that it installs, and what registers the
ids."""
ROBOT_STATES = MappingProxyType({"Meta-World": slice(0, 4)})
"""Namespace of an id -> entries of its observations that are the robot's own: of Meta-World where the
hand is, and how far the gripper is open."""
SUPPORTED_VERSIONS = MappingProxyType(
    {
        "metaworld": ("3.1.1", "4"),
        "gymnasium_robotics": ("1.4.2", "2"),
        "shimmy": ("2.0.1", "3"),
    }
)
"""Package of a suite -> the first version that the adapter is written for, and the first that is
none."""
_ROBOTICS_PREFIXES = ("Fetch", "Hand", "Adroit", "FrankaKitchen", "PointMaze", "AntMaze")
"""Beginnings of Gymnasium-Robotics' ids, which have no namespace."""


def find_env_spec(env_id: str) -> EnvSpec:
    """What Gymnasium knows of an id, once its suite is imported.

    Raises:
        gymnasium.error.Error: no such id, or its package is not installed or of a version that is
            not `SUPPORTED_VERSIONS`; close matches or the extra are named.
        gymnasium.error.DependencyNotInstalled: its package is not installed, or the user's module
            cannot be imported; the message says why.
    """
    os.environ.setdefault("MUJOCO_GL", backend())  # read by most suites when they are imported
    load_triton_first()  # dm_control opens OpenGL when it is imported
    namespace = env_id.split("/")[0]
    if namespace in _SUITE_PACKAGES:
        extra, package, module = _SUITE_PACKAGES[namespace]
        _require_package(env_id, extra, package)
        import_module(module)
    elif env_id.startswith(_ROBOTICS_PREFIXES):
        _require_package(env_id, "robotics", "gymnasium_robotics")
        import_module("gymnasium_robotics")  # registers its ids
    module, _, registered_id = env_id.rpartition(":")
    if module:
        _import_user_envs(env_id, module)
    return gymnasium.spec(registered_id)


def settings_of(env_id: str) -> list[str]:
    """Names of the settings that an environment declares; it may take further ones."""
    creator = find_env_spec(env_id).entry_point
    if isinstance(creator, str):
        creator = load_env_creator(creator)
    if creator is None:
        return []
    kinds = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
    return [one.name for one in signature(creator).parameters.values() if one.kind in kinds]


def ids_of_module(module: str) -> list[str]:
    """Ids ``module:Environment-v0`` that a user's module registered itself."""
    owners = {name: _module_of(spec.entry_point) for name, spec in gymnasium.registry.items()}
    return [f"{module}:{name}" for name, owner in owners.items() if owner == module]


def _module_of(entry_point: object) -> str:
    if isinstance(entry_point, str):
        return entry_point.partition(":")[0]
    return getattr(entry_point, "__module__", "")


def _import_user_envs(env_id: str, module: str) -> None:
    try:
        import_user_module(module)  # registers its ids
    except UserModuleError as error:
        raise gymnasium.error.DependencyNotInstalled(
            f"environment {env_id!r}: {module} cannot be imported: {error}."
        ) from error


def _require_package(env_id: str, extra: str, package: str) -> None:
    if find_spec(package) is None:
        raise gymnasium.error.DependencyNotInstalled(
            f"{env_id}: the package {package!r} is not installed; install roborew[{extra}] into "
            f"an environment of its "
            "own where its pins differ from yours."
        )
    # By the package that a distribution installs: gymnasium_robotics of gymnasium-robotics.
    installed = version(package)
    first, end = SUPPORTED_VERSIONS[package]
    if not _release(first) <= _release(installed) < _release(end):
        raise gymnasium.error.DependencyNotInstalled(
            f"{env_id}: got {package} {installed}, expected {first} or later and before {end}, whose "
            f"inside this adapter knows; install roborew[{extra}] into an environment of its own."
        )


def _release(text: str) -> tuple[int, ...]:
    """The numbers of a version, to be compared.

    >>> _release("3.1.1rc2") < _release("3.10")
    True
    """
    release = re.match(r"[0-9.]*[0-9]", text)
    return tuple(int(part) for part in release[0].split(".")) if release else ()
