"""Camera, light and colour variation, drawn a frame at a time: values that override the model's
own."""

from __future__ import annotations

import mujoco
import numpy as np

from roborew_envs.rendering.renderer import Overrides


def vary(
    model: mujoco.MjModel, rng: np.random.Generator, n: int, strength: float = 1.0
) -> Overrides:
    """Overrides for n frames; at strength 1 half of them keep the model's own look, the rest move a
    little.

    Camera: up to 2 cm and 1 degree of view; light: 0.75 to 1.25 of its power, its place by 20 cm;
        colours of shapes
    without texture: each channel by up to 0.06.
    """
    on = (rng.random(n) < 0.5 + 0.5 * (strength > 1)) * strength

    def move(values: np.ndarray, spread: float) -> np.ndarray:
        noise = rng.uniform(-1, 1, (n, *values.shape)) * spread
        return values + noise * on.reshape(n, *[1] * values.ndim)

    cameras, lights = np.arange(model.ncam), np.arange(model.nlight)
    plain = np.flatnonzero((model.geom_matid < 0) & (model.geom_rgba[:, 3] > 0))
    rgba = move(model.geom_rgba[plain].astype(np.float64), 0.06)
    rgba[..., :3] = np.clip(rgba[..., :3], 0, 1)
    rgba[..., 3] = model.geom_rgba[plain, 3]
    power = 1 + rng.uniform(-0.25, 0.25, (n, 1, 1)) * on[:, None, None]
    return Overrides(
        {
            "cam_pos": (cameras, move(model.cam_pos, 0.02)),
            "cam_fovy": (cameras, move(model.cam_fovy, 1.0)),
            "light_pos": (lights, move(model.light_pos, 0.2)),
            "light_diffuse": (lights, np.clip(model.light_diffuse * power, 0, 1)),
            "geom_rgba": (plain, rgba),
        }
    )
