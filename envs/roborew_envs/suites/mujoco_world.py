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
        # Composer compiles a new model at every reset: a context would render the old one.
        if bare.env_type.name == "COMPOSER":
            return None
        return MujocoWorld(physics.model.ptr, physics.data.ptr)
    model = getattr(bare, "model", None)
    data = getattr(bare, "data", None)
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
    names = _names_of_cameras(world)
    if name == DEFAULT_CAMERA and name not in names:
        name = None
    if name is not None and (not name or name not in names):
        available = ", ".join(filter(None, names)) or "none"
        raise Error(f"{env.spec and env.spec.id}: no camera {name!r}. Available: {available}.")
    index = _default_camera_index(env, names) if name is None else names.index(name)
    if index is None:
        return _free_camera(env, world.model)
    camera = mujoco.MjvCamera()
    camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
    camera.fixedcamid = index
    return camera


def _default_camera_index(env: gymnasium.Env[Any, Any], names: list[str]) -> int | None:
    """The camera that the environment itself would use; None for a free one."""
    renderer = _own_renderer(env)
    if renderer is not None and renderer.camera_id >= 0:
        return int(renderer.camera_id)
    if "track" in names:
        return names.index("track")
    return 0 if renderer is None and names else None


def _free_camera(env: gymnasium.Env[Any, Any], model: mujoco.MjModel) -> mujoco.MjvCamera:
    camera = mujoco.MjvCamera()
    mujoco.mjv_defaultFreeCamera(model, camera)
    renderer = _own_renderer(env)
    if renderer is not None:
        settings = cast("Mapping[str, Any]", renderer.default_cam_config or {})
        for field, value in settings.items():
            setattr(camera, field, value)
    camera.type = mujoco.mjtCamera.mjCAMERA_FREE
    return camera


def _own_renderer(env: gymnasium.Env[Any, Any]) -> Any:
    """That of Gymnasium, Gymnasium-Robotics and Meta-World; None elsewhere."""
    return getattr(env.unwrapped, "mujoco_renderer", None)


def _names_of_cameras(world: MujocoWorld) -> list[str]:
    return [world.model.camera(i).name for i in range(world.model.ncam)]


def camera_names(env: gymnasium.Env[Any, Any], name: str | None) -> tuple[str, ...]:
    """Names of an environment's cameras, first that of `resolve_camera` of ``name``:
    `DEFAULT_CAMERA` if it has none."""
    world = find_world(env)
    assert world is not None
    names = _names_of_cameras(world)
    camera = resolve_camera(env, name)
    is_fixed = camera.type == mujoco.mjtCamera.mjCAMERA_FIXED
    index = int(camera.fixedcamid)
    first = names[index] if is_fixed else ""
    without_repeats = dict.fromkeys([first or DEFAULT_CAMERA, *filter(None, names)])
    return tuple(without_repeats)


def renderable_world(env: gymnasium.Env[Any, Any]) -> MujocoWorld | None:
    """The world as it is to be rendered; None as for `find_world`.

    Environments of Gymnasium-Robotics put their goal's marker in place with a callback that runs
    ``mj_forward``, and then move otherwise than if they had not been rendered. Here it works for
    the picture alone.
    """
    world = find_world(env)
    bare: Any = env.unwrapped
    if world is None or not hasattr(bare, "_render_callback"):
        return world
    # The callback moves sites of the model, which the simulation goes on using.
    sites = cast("NDArray[np.float64]", world.model.site_pos).copy()
    bare.data = copy(world.data)
    try:
        bare._render_callback()
        return MujocoWorld(world.model, bare.data)
    finally:
        bare.data = world.data
        world.model.site_pos[:] = sites
