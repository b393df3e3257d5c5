"""Manipulation and locomotion tasks in MuJoCo with words, starts, truth and frames. Importing
registers their ids."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from functools import partial
from importlib import import_module
from types import MappingProxyType
from typing import Any

import gymnasium

from roborew_envs.errors import RenderError
from roborew_envs.rendering.opengl import BACKENDS

try:
    from roborew_envs.core.single_env import TaskEnv
    from roborew_envs.core.task import Language, Task, Truth
    from roborew_envs.core.vector_env import TaskVectorEnv
except RuntimeError as error:  # MuJoCo reads the variable when it is imported
    if "MUJOCO_GL" not in str(error):
        raise
    raise RenderError(f"{error}; expected one of {', '.join(BACKENDS)}, or unset it.") from error

_TABLE = {
    "roborew/Press-v0": "desk.press:Press",
    "roborew/Push-v0": "desk.push:Push",
    "roborew/DrawerOpen-v0": "desk.drawer_open:DrawerOpen",
    "roborew/Reach-v0": "desk.reach:Reach",
    "roborew/PickPlace-v0": "desk.pick_place:PickPlace",
    "roborew/Stack-v0": "desk.stack:Stack",
    "roborew/DrawerClose-v0": "desk.drawer_close:DrawerClose",
    "roborew/Tidy-v0": "desk.tidy:Tidy",
    "roborew/DoorOpen-v0": "bench.door_open:DoorOpen",
    "roborew/PegInsert-v0": "bench.peg_insert:PegInsert",
    "roborew/Sweep-v0": "bench.sweep:Sweep",
    "roborew/TapTurn-v0": "bench.tap_turn:TapTurn",
    "roborew/Cheetah-v0": "locomotion.cheetah:Cheetah",
    "roborew/Hopper-v0": "locomotion.hopper:Hopper",
    "roborew/Walker-v0": "locomotion.walker:Walker",
    "roborew/Ant-v0": "locomotion.ant:Ant",
    "roborew/QuadrupedStand-v0": "locomotion.quadruped_stand:QuadrupedStand",
    "roborew/CartPole-v0": "classic.cart_pole:CartPole",
    "roborew/MountainCar-v0": "classic.mountain_car:MountainCar",
    "roborew/HumanoidStand-v0": "humanoid.legs:HumanoidStand",
    "roborew/HumanoidKneel-v0": "humanoid.legs:HumanoidKneel",
    "roborew/HumanoidRaiseArms-v0": "humanoid.arms:HumanoidRaiseArms",
    "roborew/HumanoidHandsOnHips-v0": "humanoid.arms:HumanoidHandsOnHips",
    "roborew/HumanoidArmsCrossed-v0": "humanoid.arms:HumanoidArmsCrossed",
    "roborew/HumanoidOneLeg-v0": "humanoid.legs:HumanoidOneLeg",
    "roborew/HumanoidSideSplits-v0": "humanoid.floor:HumanoidSideSplits",
    "roborew/HumanoidLotus-v0": "humanoid.floor:HumanoidLotus",
}

TASKS: Mapping[str, str] = MappingProxyType(_TABLE)
"""Registered ids -> ``module:class`` inside ``roborew_envs.tasks``."""


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
        raise gymnasium.error.NameNotFound(
            f"unknown task {task_id!r}.{hint} Available: {', '.join(_TABLE)}."
        )
    module, name = _TABLE[task_id].split(":")
    return getattr(import_module(f"roborew_envs.tasks.{module}"), name)()


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

__all__ = ["TASKS", "Language", "Task", "TaskEnv", "TaskVectorEnv", "Truth", "make_task"]
