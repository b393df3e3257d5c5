"""Manipulation and locomotion tasks in MuJoCo with words, starts, truth and frames. Importing
registers their ids."""

from __future__ import annotations

from roborew_envs.errors import RenderError
from roborew_envs.rendering.opengl import BACKENDS

try:
    from roborew_envs.core.mujoco_warnings import log_mujoco_warnings
    from roborew_envs.core.single_env import TaskEnv
    from roborew_envs.core.task import Language, Task, Truth
    from roborew_envs.core.task_registry import TaskRegistry
    from roborew_envs.core.vector_env import TaskVectorEnv
except RuntimeError as error:  # MuJoCo reads the variable when it is imported
    if "MUJOCO_GL" not in str(error):
        raise
    raise RenderError(f"{error}; expected one of {', '.join(BACKENDS)}, or unset it.") from error

log_mujoco_warnings()

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
    "roborew/Hopper-v1": "locomotion.hopper:HopperV1",
    "roborew/Walker-v0": "locomotion.walker:Walker",
    "roborew/Walker-v1": "locomotion.walker:WalkerV1",
    "roborew/Ant-v0": "locomotion.ant:Ant",
    "roborew/Ant-v1": "locomotion.ant:AntV1",
    "roborew/QuadrupedStand-v0": "locomotion.quadruped_stand:QuadrupedStand",
    "roborew/QuadrupedStand-v1": "locomotion.quadruped_stand:QuadrupedStandV1",
    "roborew/CartPole-v0": "classic.cart_pole:CartPole",
    "roborew/CartPole-v1": "classic.cart_pole:CartPoleV1",
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

TASKS = TaskRegistry(
    {task_id: f"roborew_envs.tasks.{target}" for task_id, target in _TABLE.items()}
)
"""Ids -> ``module:Class``: our own, those of `register_task`, and those of other packages' entry
points in the group ``roborew.tasks``."""


def make_task(name: str) -> Task:
    """Build a task.

    >>> make_task("roborew/DrawerOpen-v0").instruction
    'open the drawer'
    >>> make_task("roborew_envs.tasks.desk.press:Press").id
    'roborew/Press-v0'

    Args:
        name: an id of `TASKS`, or ``package.module:Class``; `TaskVectorEnv` makes an environment of
            the task.

    Raises:
        gymnasium.error.NameNotFound: unknown id; close matches and the list are offered.
        gymnasium.error.Error: what it names cannot be imported, or is no complete task.
    """
    return TASKS.make(name)


def register_task(task_id: str, target: str) -> None:
    """Give a task of your own an id, for `make_task`, `gymnasium.make` and the command line.

        register_task("my_package/MyTask-v0", "my_package.module:MyTask")

    Args:
        task_id: as Gymnasium has them: ``namespace/Name-v0``.
        target: ``package.module:Class`` of a subclass of `Task`, imported when one is made.

    Raises:
        gymnasium.error.Error: the id is taken or malformed, or the target points nowhere.
    """
    TASKS.register(task_id, target)


__all__ = [
    "TASKS",
    "Language",
    "RenderError",
    "Task",
    "TaskEnv",
    "TaskRegistry",
    "TaskVectorEnv",
    "Truth",
    "make_task",
    "register_task",
]
