"""Flat surfaces with no more pieces than their light needs, for drawing alone.

OpenGL computes light at corners and MuJoCo therefore cuts floors along their grid, up to 200 by 200
squares, and each side of a box into 16. Light from one direction is the same all over a flat
surface, so that a few pieces show what thousands do.
"""

from __future__ import annotations

from copy import copy
from typing import Any

import mujoco
import numpy as np

FLOOR_PIECES = 8
"""Most pieces along a floor; one alone is so large that where its texture lies gets inexact."""
_DIRECTIONAL = 1
"""As MuJoCo marks a light that comes from one direction: of old in a field of its own, now a type."""


def merge_flat_pieces(model: mujoco.MjModel) -> mujoco.MjModel:
    """A copy of the model whose floors and boxes are drawn in few pieces; the model itself where a
    lamp is near, whose light differs from place to place.

    The copy is for drawing alone. Pictures differ by one level of 255, and at the edges of boxes by
    single pixels.
    """
    if not _light_comes_from_afar(model):
        return model
    model = copy(model)
    model.vis.quality.numquads = 1
    floors = np.flatnonzero(model.geom_type == mujoco.mjtGeom.mjGEOM_PLANE)
    sizes = model.geom_size[floors]  # half length, half width, side of a square of its grid [m]
    largest = 2 * sizes[:, :2].max(axis=1, initial=0) / FLOOR_PIECES
    model.geom_size[floors, 2] = np.maximum(sizes[:, 2], largest)
    return model


def _light_comes_from_afar(model: mujoco.MjModel) -> bool:
    """Whether every light shines from one direction, as the one at the camera does."""
    fields: Any = model
    kinds = fields.light_type if hasattr(model, "light_type") else fields.light_directional
    return bool((kinds[model.light_active > 0] == _DIRECTIONAL).all())
