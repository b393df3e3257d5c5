"""Things that stand about: boxes, balls and drums beside the work, known to no physics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

_BOX = int(mujoco.mjtGeom.mjGEOM_BOX)
_BALL = int(mujoco.mjtGeom.mjGEOM_SPHERE)
_DRUM = int(mujoco.mjtGeom.mjGEOM_CYLINDER)
_FORMS = (_BOX, _BALL, _DRUM)


def sample_distractors(
    model: mujoco.MjModel,
    places: Sequence[Mapping[str, Any]],
    count: int,
    max_count: int,
    rng: np.random.Generator,
    n: int,
) -> NDArray[np.float64]:
    """Draw shapes on the ground beside the work, as `Overrides.shapes` has them.

    Args:
        model: the world.
        places: where and how big, for worlds with a geom of the name ``beside``; "" is any world.
        count: shapes that are seen.
        max_count: shapes that are drawn: from the same generator, fewer are the first of more.
        rng: where chance comes from.
        n: number of looks.

    Returns:
        shape (n, count, 11).
    """
    shape = (n, max_count)
    place = _place_for(model, places)
    zones = np.array(place["zones"], np.float64)  # (Z, 4): x from, x to, y from, y to [m]
    smallest, largest = place["size"]
    # The order of the draws is a part of every look: another one would change all pictures.
    zone_index = rng.integers(len(zones), size=shape)
    half_size = rng.uniform(smallest, largest, (*shape, 3))
    zone = zones[zone_index]
    lowest = zone[..., [0, 2]]
    highest = zone[..., [1, 3]]
    position = rng.uniform(lowest, highest)
    color = rng.uniform(0.05, 0.95, (*shape, 3))
    form = rng.choice(_FORMS, (*shape, 1))
    half_size = _fit_to_form(half_size, form)
    height = half_size[..., 2:]  # of the middle: they stand on the ground
    opacity = np.ones((*shape, 1))
    shapes = np.concatenate([form, half_size, position, height, color, opacity], axis=-1)
    return shapes[:, :count]


def _fit_to_form(half_size: NDArray[np.float64], form: NDArray[np.int64]) -> NDArray[np.float64]:
    """Give balls one size and drums a radius and a height; boxes have three sizes."""
    width, depth, height = np.split(half_size, 3, axis=-1)
    depth = np.where(form == _BOX, depth, width)
    height = np.where(form == _BALL, width, height)
    return np.concatenate([width, depth, height], axis=-1)


def _place_for(model: mujoco.MjModel, places: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    names = {model.geom(i).name for i in range(model.ngeom)}
    for place in places:
        if place["beside"] == "" or place["beside"] in names:
            return place
    raise ValueError("no place beside anything: the table of shifts was not checked.")
