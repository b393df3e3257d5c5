"""Meshes with no more triangles than the pixels of a frame can show, for drawing alone.

Other suites' robots come with up to 140,000 triangles, most of them smaller than a pixel. Vertices
that lie in one cell of a grid become one (Rossignac and Borrel 1993), and triangles that lose a
corner by it are left out.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any, cast

import mujoco
import numpy as np
from numpy.typing import NDArray

CELL_PIXELS = 0.5
"""Side of a cell, in pixels of a frame that is as high as the scene is large."""
CELLS_RANGE = (12, 100_000)
"""Fewest and most cells along a mesh's diagonal: a camera close to a small mesh sees its form, and
cells can be counted."""
MIN_TRIANGLES = 1000
"""Meshes with fewer stay as they are: they cost little, and are mostly the things that a task is
about."""
_TRIANGLE_FIELDS = ("mesh_face", "mesh_facenormal", "mesh_facetexcoord")

Triangles = NDArray[np.int32]
"""Indices of vertices, shape (T, 3)."""
Vertices = NDArray[np.float32]
"""Positions in the frame of the mesh, shape (V, 3) [m]."""


def simplify_meshes(model: mujoco.MjModel, height: int) -> mujoco.MjModel:
    """A copy of the model whose large meshes have been simplified; the model itself if it has none.

    No vertex moves by more than the diagonal of a cell of `cell_size`. The copy is for pictures: as
    physics it would be another world.

    Args:
        model: what is drawn.
        height: of the frames [pixels].
    """
    meshes = np.flatnonzero(model.mesh_facenum >= MIN_TRIANGLES)
    if len(meshes) == 0:
        return model
    model = deepcopy(model)
    largest_cell = CELL_PIXELS * model.stat.extent / height
    for mesh in meshes.tolist():
        _simplify_mesh(model, mesh, largest_cell)
    return model


def cell_size(vertices: Vertices, largest: float) -> float:
    """Side of the cells in which the vertices of a mesh become one [m]: ``largest``, or less for a
    small mesh."""
    fewest, most = CELLS_RANGE
    diagonal = float(np.linalg.norm(np.ptp(vertices, axis=0)))
    return float(np.clip(largest, diagonal / most, diagonal / fewest))


def _simplify_mesh(model: mujoco.MjModel, mesh: int, largest_cell: float) -> None:
    vertices = _rows(model.mesh_vert, model.mesh_vertadr[mesh], model.mesh_vertnum[mesh])
    count = model.mesh_facenum[mesh]
    fields: list[NDArray[Any]] = []
    for name in _TRIANGLE_FIELDS:
        fields.append(_rows(getattr(model, name), model.mesh_faceadr[mesh], count))
    cells = vertex_cells(vertices, cell_size(vertices, largest_cell))
    vertices[:] = _cell_means(vertices, cells)
    triangles = _distinct_triangles(cells[fields[0]])
    for field in fields:
        field[: len(triangles)] = field[triangles]
    model.mesh_facenum[mesh] = len(triangles)


def _rows(array: Any, start: int, count: int) -> NDArray[Any]:
    """A view of the part of a model's array that belongs to one mesh."""
    return cast("NDArray[Any]", array)[start : start + count]


def vertex_cells(vertices: Vertices, size: float) -> NDArray[np.int64]:
    """Number of the cell that each vertex (V, 3) lies in, from 0 without gaps, shape (V,)."""
    places = np.floor((vertices - vertices.min(axis=0)) / size).astype(np.int64)
    keys = np.ravel_multi_index(tuple(places.T), tuple(places.max(axis=0) + 1))
    return np.unique(keys, return_inverse=True)[1]


def _cell_means(vertices: Vertices, cells: NDArray[np.int64]) -> Vertices:
    """For each vertex (V, 3), the mean of those in its cell."""
    counts = np.bincount(cells)
    means = [np.bincount(cells, vertices[:, axis]) / counts for axis in range(3)]
    return np.stack(means, axis=1).astype(np.float32)[cells]


def _distinct_triangles(corners: NDArray[np.int64]) -> NDArray[np.int64]:
    """Indices of triangles, in order, that have three different corners; one of those that are the
    same."""
    first, second, third = corners.T
    whole = np.flatnonzero((first != second) & (second != third) & (third != first))
    # Turned so that the least corner leads: the way round, which tells front from back, is kept.
    lead = np.argmin(corners[whole], axis=1)
    order = (lead[:, None] + np.arange(3)) % 3
    turned = np.take_along_axis(corners[whole], order, axis=1)
    _, firsts = np.unique(turned, axis=0, return_index=True)
    return whole[np.sort(firsts)]
