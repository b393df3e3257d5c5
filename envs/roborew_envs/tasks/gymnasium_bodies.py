"""Gymnasium's own bodies, their dynamics untouched, on a stage that a camera can read: sky, tiles,
light, colours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources

import mujoco
import numpy as np


def load_body(file: str) -> mujoco.MjSpec:
    """One of Gymnasium's MuJoCo bodies with our sky, tiles and light in place of its own.

    Args:
        file: name inside ``gymnasium.envs.mujoco/assets``, say ``half_cheetah.xml``.
    """
    with resources.as_file(resources.files("gymnasium.envs.mujoco") / "assets" / file) as path:
        spec = mujoco.MjSpec.from_file(str(path))
    _set_sky_and_tiles(spec)
    _set_light(spec)
    # Near enough for a camera that runs along, far enough for the horizon [shares of the extent].
    spec.visual.map.znear = 0.02
    spec.visual.map.zfar = 30.0
    return spec


def _set_sky_and_tiles(spec: mujoco.MjSpec) -> None:
    """A sky in blue, and a floor of grey tiles whose edges show that the body moves."""
    for texture in spec.textures:
        if texture.type == mujoco.mjtTexture.mjTEXTURE_SKYBOX:
            texture.rgb1 = (0.66, 0.78, 0.90)
            texture.rgb2 = (0.42, 0.52, 0.64)
            texture.width = 32
            texture.height = 192
        elif texture.name == "texplane":
            texture.rgb1 = (0.66, 0.66, 0.70)
            texture.rgb2 = (0.58, 0.58, 0.62)
            texture.mark = mujoco.mjtMark.mjMARK_EDGE
            texture.markrgb = (0.45, 0.45, 0.50)
    tiles = spec.material("MatPlane")
    # Less of a mirror than Gymnasium's floor, in which a second body is seen.
    tiles.reflectance = 0.1
    tiles.specular = 0.1
    tiles.texrepeat = (1, 1)
    tiles.texuniform = True


def _set_light(spec: mujoco.MjSpec) -> None:
    """One lamp from the side, which throws a shadow, and a soft headlight."""
    light = spec.lights[0]
    light.dir = (-0.3, 0.5, -0.9)
    light.diffuse = (0.6, 0.6, 0.58)
    headlight = spec.visual.headlight
    headlight.ambient = (0.38, 0.38, 0.38)
    headlight.diffuse = (0.35, 0.35, 0.35)
    headlight.specular = (0.05, 0.05, 0.05)
    spec.visual.quality.shadowsize = 2048


def compile_body(spec: mujoco.MjSpec) -> mujoco.MjModel:
    """Compile, and scale to the total mass that the body's file asks for."""
    total_mass = spec.compiler.settotalmass
    # MuJoCo 4 deprecates scaling inside the compiler, with a warning.
    spec.compiler.settotalmass = -1.0
    model = spec.compile()
    if total_mass > 0:
        mujoco.mj_setTotalmass(model, total_mass)
        mujoco.mj_setConst(model, mujoco.MjData(model))
    return model


def color_geoms(spec: mujoco.MjSpec, colours: Mapping[str, Sequence[float]]) -> None:
    """Paint each geom in the first colour whose key is part of its name; RGB in [0, 1]."""
    for geom in spec.geoms:
        for part, rgb in colours.items():
            if part in geom.name:
                geom.rgba = (*rgb, 1.0)
                break


def add_visual_box(
    spec: mujoco.MjSpec,
    name: str,
    position: Sequence[float],
    half_size: Sequence[float],
    rgb: Sequence[float],
) -> mujoco.MjsGeom:
    """Add a coloured box to the world that nothing touches; lengths [m]."""
    return spec.worldbody.add_geom(
        name=name,
        type=mujoco.mjtGeom.mjGEOM_BOX,
        pos=position,
        size=half_size,
        rgba=(*rgb, 1.0),
        contype=0,
        conaffinity=0,
    )


def add_fixed_camera(
    spec: mujoco.MjSpec,
    name: str,
    position: Sequence[float],
    target: Sequence[float],
    fovy: float = 45.0,
) -> None:
    """Add an upright camera.

    Args:
        spec: the world.
        name: of the camera.
        position: world [m].
        target: what it looks at, world [m].
        fovy: vertical field of view [degrees].
    """
    # A camera looks along its own -z: z points back from the target, x to the right, y up.
    z_axis = np.subtract(position, target)
    x_axis = np.cross((0.0, 0.0, 1.0), z_axis)
    y_axis = np.cross(z_axis, x_axis)
    axes = np.concatenate([x_axis, y_axis])
    spec.worldbody.add_camera(name=name, pos=position, xyaxes=axes, fovy=fovy)
