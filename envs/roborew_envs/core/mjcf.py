"""Worlds of our own: the files in ``assets``."""

from __future__ import annotations

from importlib import resources

import mujoco
import numpy as np
from gymnasium.error import Error

from roborew_envs.core.task import Task

INCLUDED_FILES = ("arm.xml", "stage.xml")
"""Files that worlds include."""
_FOLDER = resources.files("roborew_envs") / "assets"


def check_world(task: Task) -> None:
    """See that a task's world is the one it is written for: a start can be drawn, moved and seen.

    Raises:
        gymnasium.error.Error: it is another one.
    """
    try:
        _try_world(task)
    except (KeyError, IndexError, ValueError, AttributeError, TypeError) as error:
        fault = " ".join(f"{type(error).__name__}: {error}".split())
        raise Error(
            f"{task.id}: its world in assets is damaged ({fault}): install roborew again."
        ) from error


def _try_world(task: Task) -> None:
    """Call all that reads the world once, at one start; a wrong world fails somewhere in it."""
    model = task.model
    qpos_of_start, qvel_of_start = task.sample_initial_state(np.random.default_rng(0))
    qpos = qpos_of_start[None]
    qvel = qvel_of_start[None]
    controls = task.action_to_ctrl(qpos, np.zeros((1, task.action_size)))
    sizes = (qpos.size, qvel.size, controls.size)
    model_sizes = (model.nq, model.nv, model.nu)
    if sizes != model_sizes:
        raise ValueError(f"positions, velocities and motors: {model_sizes}, expected {sizes}")
    for name in task.cameras:
        model.camera(name)  # raises where there is none
    truth = task.evaluate(qpos, qvel)
    for values in (task.observe(qpos, qvel), truth.progress, truth.stage):
        if len(values) != 1 or not np.isfinite(values).all():
            raise ValueError("what is seen or judged of a start is no number")
    task.visual_overrides(qpos)


def load_world(file: str) -> mujoco.MjSpec:
    """Read a world.

    Args:
        file: name inside ``assets``.

    Raises:
        gymnasium.error.Error: it, or a file that it includes, is missing or damaged.
    """
    try:
        # From memory: a package may lie in an archive, where MuJoCo can open no file.
        included = {name: _FOLDER.joinpath(name).read_bytes() for name in INCLUDED_FILES}
        return mujoco.MjSpec.from_string(_FOLDER.joinpath(file).read_text("utf-8"), included)
    except (OSError, ValueError) as error:
        fault = " ".join(str(error).split())
        raise Error(
            f"assets/{file} or what it includes is damaged ({fault}): install roborew again."
        ) from error
