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
    for texture in spec.textures:
        if texture.type == mujoco.mjtTexture.mjTEXTURE_SKYBOX:
            texture.rgb1, texture.rgb2 = (0.66, 0.78, 0.90), (0.42, 0.52, 0.64)
            texture.width, texture.height = 32, 192
        elif texture.name == "texplane":
            texture.rgb1, texture.rgb2 = (0.66, 0.66, 0.70), (0.58, 0.58, 0.62)
            texture.mark, texture.markrgb = mujoco.mjtMark.mjMARK_EDGE, (0.45, 0.45, 0.50)
    tiles = spec.material("MatPlane")
    tiles.reflectance, tiles.specular, tiles.texrepeat, tiles.texuniform = 0.1, 0.1, (1, 1), True
    light = spec.lights[0]
    light.dir, light.diffuse = (-0.3, 0.5, -0.9), (0.6, 0.6, 0.58)
    head = spec.visual.headlight
    head.ambient, head.diffuse, head.specular = (0.38,) * 3, (0.35,) * 3, (0.05,) * 3
    spec.visual.map.znear, spec.visual.map.zfar = 0.02, 30.0
    spec.visual.quality.shadowsize = 2048
    return spec


def compile_body(spec: mujoco.MjSpec) -> mujoco.MjModel:
    """Compile, and scale to the total mass that the body's file asks for.

    MuJoCo 4 deprecates doing the second inside the first, with a warning.
    """
    mass, spec.compiler.settotalmass = spec.compiler.settotalmass, -1.0
    model = spec.compile()
    if mass > 0:
        mujoco.mj_setTotalmass(model, mass)
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
    """Add an upright camera at ``position`` that looks at ``target`` [m]; ``fovy`` is its height of
    view [degrees]."""
    back = np.subtract(position, target)
    right = np.cross((0.0, 0.0, 1.0), back)
    axes = np.concatenate([right, np.cross(back, right)])
    spec.worldbody.add_camera(name=name, pos=position, xyaxes=axes, fovy=fovy)
