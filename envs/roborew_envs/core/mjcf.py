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
    """See that a task's world is the one that it is written for: that a start can be drawn, moved,
    seen and judged.

    Raises:
        gymnasium.error.Error: it is another one.
    """
    try:
        model = task.model
        qpos, qvel = (part[None] for part in task.sample_initial_state(np.random.default_rng(0)))
        controls = task.action_to_ctrl(qpos, np.zeros((1, task.action_size)))
        sizes, expected = (qpos.size, qvel.size, controls.size), (model.nq, model.nv, model.nu)
        if sizes != expected or not all(model.camera(name).name for name in task.cameras):
            raise ValueError(f"positions, velocities and motors: {expected}, expected {sizes}")
        judged = (task.observe(qpos, qvel), task.progress(qpos, qvel), task.stage(qpos, qvel))
        if not all(len(values) == 1 and np.isfinite(values).all() for values in judged):
            raise ValueError("what is seen or judged of a start is no number")
        task.visual_overrides(qpos)
    except (KeyError, IndexError, ValueError, AttributeError, TypeError) as error:
        fault = " ".join(f"{type(error).__name__}: {error}".split())
        raise Error(
            f"{task.id}: its world in assets is damaged ({fault}): install roborew again."
        ) from error


def load_world(file: str) -> mujoco.MjSpec:
    """Read a world.

    Args:
        file: name inside ``assets``.

    Raises:
        gymnasium.error.Error: it, or a file that it includes, is missing or damaged.
    """
    try:
        included = {name: _FOLDER.joinpath(name).read_bytes() for name in INCLUDED_FILES}
        return mujoco.MjSpec.from_string(_FOLDER.joinpath(file).read_text("utf-8"), included)
    except (OSError, ValueError) as error:
        fault = " ".join(str(error).split())
        raise Error(
            f"assets/{file} or what it includes is damaged ({fault}): install roborew again."
        ) from error
