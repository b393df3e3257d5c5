"""Other suites' MuJoCo worlds, so that roborew's own renderer can draw them: a context a thread,
not an environment."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from typing import Any, cast

import gymnasium
import mujoco
import numpy as np
from gymnasium.error import Error
from numpy.typing import NDArray

DEFAULT_CAMERA = "default"
"""Name of an environment's own camera where it has none."""


@dataclass(frozen=True, slots=True)
class MujocoWorld:
    """A single environment's own model and present state; read when it is drawn, never written."""

    model: mujoco.MjModel
    data: mujoco.MjData


def find_world(env: gymnasium.Env[Any, Any]) -> MujocoWorld | None:
    """The MuJoCo world of an environment; None where there is none, or one that is compiled anew
    each episode."""
    bare: Any = env.unwrapped
    physics = getattr(bare, "physics", None)  # dm_control's, through shimmy
    if physics is not None:
        return (
            None
            if bare.env_type.name == "COMPOSER"
            else MujocoWorld(physics.model.ptr, physics.data.ptr)
        )
    model, data = getattr(bare, "model", None), getattr(bare, "data", None)
    if isinstance(model, mujoco.MjModel) and isinstance(data, mujoco.MjData):
        return MujocoWorld(model, data)
    return None


def resolve_camera(env: gymnasium.Env[Any, Any], name: str | None) -> mujoco.MjvCamera:
    """The camera of that name; by default, or as `DEFAULT_CAMERA`, the environment's own: one that
    follows the robot where there is one.

    Raises:
        gymnasium.error.Error: no such camera; those that exist are listed.
    """
    world = find_world(env)
    assert world is not None
    own: Any = getattr(
        env.unwrapped, "mujoco_renderer", None
    )  # of Gymnasium, Gymnasium-Robotics and Meta-World
    names = [world.model.camera(i).name for i in range(world.model.ncam)]
    camera = mujoco.MjvCamera()
    if name == DEFAULT_CAMERA and name not in names:
        name = None
    if name is not None and (not name or name not in names):
        known = ", ".join(filter(None, names)) or "none"
        raise Error(f"{env.spec and env.spec.id}: no camera {name!r}. Available: {known}.")
    if name is None and own is not None and own.camera_id >= 0:
        index = int(own.camera_id)
    elif name is not None or "track" in names:
        index = names.index(name or "track")
    else:
        index = -1 if own is not None or not names else 0
    if index >= 0:
        camera.type, camera.fixedcamid = mujoco.mjtCamera.mjCAMERA_FIXED, index
        return camera
    mujoco.mjv_defaultFreeCamera(world.model, camera)
    settings = cast("Mapping[str, Any]", (own and own.default_cam_config) or {})
    for field, value in settings.items():
        setattr(camera, field, value)
    camera.type = mujoco.mjtCamera.mjCAMERA_FREE
    return camera


def camera_names(env: gymnasium.Env[Any, Any], name: str | None) -> tuple[str, ...]:
    """Names of an environment's cameras, first that of `resolve_camera` of ``name``: `DEFAULT_CAMERA` if it
    has none."""
    world, view = find_world(env), resolve_camera(env, name)
    assert world is not None
    names = [world.model.camera(i).name for i in range(world.model.ncam)]
    first = names[view.fixedcamid] if view.type == mujoco.mjtCamera.mjCAMERA_FIXED else ""
    return tuple(dict.fromkeys([first or DEFAULT_CAMERA, *filter(None, names)]))


def renderable_world(env: gymnasium.Env[Any, Any]) -> MujocoWorld | None:
    """The world as it is to be drawn; None as for `find_world`.

    Environments of Gymnasium-Robotics put their goal's marker in place with a callback that runs
    ``mj_forward``, and then move otherwise than if they had not been drawn. Here it works for the
    picture alone.
    """
    world, bare = find_world(env), cast(Any, env.unwrapped)
    if world is None or not hasattr(bare, "_render_callback"):
        return world
    sites = cast("NDArray[np.float64]", world.model.site_pos).copy()
    bare.data = copy(world.data)
    try:
        bare._render_callback()
        return MujocoWorld(world.model, bare.data)
    finally:
        bare.data = world.data
        world.model.site_pos[:] = sites
