"""Manipulation and locomotion tasks in MuJoCo with words, starts, truth and frames. Importing registers their ids."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from functools import partial
from importlib import import_module
from types import MappingProxyType
from typing import Any

import gymnasium

from roborew_envs.opengl import BACKENDS, DrawingError

try:
    from roborew_envs.environment import TaskEnv, TaskVectorEnv
    from roborew_envs.task import Task, Words
except RuntimeError as error:  # MuJoCo reads the variable when it is imported
    if "MUJOCO_GL" not in str(error):
        raise
    raise DrawingError(f"{error}; expected one of {', '.join(BACKENDS)}, or unset it.") from error

_TABLE = {
    "roborew/Press-v0": "press:Press",
    "roborew/Push-v0": "push:Push",
    "roborew/DrawerOpen-v0": "drawer_open:DrawerOpen",
    "roborew/Reach-v0": "reach:Reach",
    "roborew/PickPlace-v0": "pick_place:PickPlace",
    "roborew/Stack-v0": "stack:Stack",
    "roborew/DrawerClose-v0": "drawer_close:DrawerClose",
    "roborew/Tidy-v0": "tidy:Tidy",
    "roborew/DoorOpen-v0": "door_open:DoorOpen",
    "roborew/PegInsert-v0": "peg_insert:PegInsert",
    "roborew/Sweep-v0": "sweep:Sweep",
    "roborew/TapTurn-v0": "tap_turn:TapTurn",
    "roborew/Cheetah-v0": "cheetah:Cheetah",
    "roborew/Hopper-v0": "hopper:Hopper",
    "roborew/Walker-v0": "walker:Walker",
    "roborew/Ant-v0": "ant:Ant",
    "roborew/QuadrupedStand-v0": "quadruped_stand:QuadrupedStand",
    "roborew/CartPole-v0": "cart_pole:CartPole",
    "roborew/MountainCar-v0": "mountain_car:MountainCar",
    "roborew/HumanoidStand-v0": "poses_legs:HumanoidStand",
    "roborew/HumanoidKneel-v0": "poses_legs:HumanoidKneel",
    "roborew/HumanoidRaiseArms-v0": "poses_arms:HumanoidRaiseArms",
    "roborew/HumanoidHandsOnHips-v0": "poses_arms:HumanoidHandsOnHips",
    "roborew/HumanoidArmsCrossed-v0": "poses_arms:HumanoidArmsCrossed",
    "roborew/HumanoidOneLeg-v0": "poses_legs:HumanoidOneLeg",
    "roborew/HumanoidSideSplits-v0": "poses_floor:HumanoidSideSplits",
    "roborew/HumanoidLotus-v0": "poses_floor:HumanoidLotus",
}

tasks: Mapping[str, str] = MappingProxyType(_TABLE)
"""Registered ids -> ``module:class`` inside this package."""


def make_task(task_id: str) -> Task:
    """Build the task registered as ``task_id``.

    >>> make_task("roborew/DrawerOpen-v0").instruction
    'open the drawer'

    Raises:
        gymnasium.error.NameNotFound: unknown id; close matches and the list are offered.
    """
    if task_id not in _TABLE:
        close = get_close_matches(task_id, _TABLE, n=3, cutoff=0.4)
        hint = f" Did you mean {' or '.join(close)}?" if close else ""
        raise gymnasium.error.NameNotFound(f"unknown task {task_id!r}.{hint} Available: {', '.join(_TABLE)}.")
    module, name = _TABLE[task_id].split(":")
    return getattr(import_module(f"roborew_envs.{module}"), name)()


def _make(task_id: str, **kwargs: Any) -> TaskEnv:
    return TaskEnv(make_task(task_id), **kwargs)


def _make_vector(task_id: str, **kwargs: Any) -> TaskVectorEnv:
    return TaskVectorEnv(make_task(task_id), **kwargs)


for _id in _TABLE:
    gymnasium.register(  # pyright: ignore[reportUnknownMemberType] - its kwargs are an untyped dict
        _id,
        entry_point=partial(_make, _id),
        vector_entry_point=partial(_make_vector, _id),
        disable_env_checker=False,
    )

__all__ = ["Task", "TaskEnv", "TaskVectorEnv", "Words", "make_task", "tasks"]
