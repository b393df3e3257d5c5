"""Large meshes are drawn with fewer triangles at quality ``fast``: the error is bounded, and nothing
but pictures changes."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from roborew_envs.rendering.mesh_simplification import (
    CELL_PIXELS,
    CELLS_RANGE,
    MIN_TRIANGLES,
    cell_size,
    simplify_meshes,
    vertex_cells,
)
from roborew_envs.rendering.renderer import Quality, Renderer

HEIGHT = 48


def sphere(rings: int) -> str:
    """A `<mesh>` of radius 1 with 4 triangles for each square of its rings."""
    polar, azimuth = np.meshgrid(
        np.linspace(0.01, np.pi - 0.01, rings), np.linspace(0, 2 * np.pi, 2 * rings, endpoint=False)
    )
    around = np.stack([np.sin(polar) * np.cos(azimuth), np.sin(polar) * np.sin(azimuth)])
    points = np.stack([*around, np.cos(polar)], axis=-1).reshape(-1, 3)
    columns, rows = np.meshgrid(np.arange(2 * rings), np.arange(rings - 1), indexing="ij")
    here = columns * rings + rows
    there = (columns + 1) % (2 * rings) * rings + rows
    squares = np.stack([here, here + 1, there + 1, here, there + 1, there], axis=-1)
    vertices = " ".join(map(str, points.ravel()))
    faces = " ".join(map(str, squares.ravel()))
    return f"<mesh name='rings{rings}' vertex='{vertices}' face='{faces}'/>"


def scene(*rings: int) -> mujoco.MjModel:
    geoms = "".join(
        f"<geom type='mesh' mesh='rings{count}' pos='{3 * place} 0 0' rgba='1 .4 0 1'/>"
        for place, count in enumerate(rings)
    )
    camera = f"<camera name='c' pos='{1.5 * (len(rings) - 1)} -7 1' xyaxes='1 0 0 0 .15 1'/>"
    meshes = "".join(map(sphere, rings))
    return mujoco.MjModel.from_xml_string(
        f"<mujoco><asset>{meshes}</asset><worldbody><light pos='0 -5 5'/>{geoms}{camera}"
        "</worldbody></mujoco>"
    )


@pytest.fixture(scope="module")
def model() -> mujoco.MjModel:
    return scene(100, 12)


def triangles(model: mujoco.MjModel, mesh: int) -> np.ndarray:
    """Corners of a mesh's triangles, (T, 3, 3)."""
    first, count = model.mesh_faceadr[mesh], model.mesh_facenum[mesh]
    corners = model.mesh_face[first : first + count]
    return model.mesh_vert[model.mesh_vertadr[mesh] + corners].astype(float)


def volume(model: mujoco.MjModel, mesh: int) -> float:
    corners = triangles(model, mesh).transpose(1, 0, 2)
    return float(np.einsum("ij,ij->", corners[0], np.cross(corners[1], corners[2]))) / 6


def draw(model: mujoco.MjModel, quality: Quality) -> np.ndarray:
    with Renderer(model, 64, HEIGHT, quality, threads=1) as renderer:
        return renderer.render(np.zeros((1, 0)), "c")[0].astype(int)


def test_a_frame_is_nearly_the_same_with_far_fewer_triangles(model: mujoco.MjModel) -> None:
    simple = simplify_meshes(model, HEIGHT)
    assert simple.mesh_facenum[0] < model.mesh_facenum[0] / 4
    error = np.abs(draw(model, "fast") - draw(model, "medium")).max(axis=-1)
    assert (error > 8).mean() < 0.01 and 0 < error.mean() < 0.5


def test_no_vertex_moves_further_than_a_cell_is_wide(model: mujoco.MjModel) -> None:
    largest = CELL_PIXELS * model.stat.extent / HEIGHT
    size = cell_size(model.mesh_vert[: model.mesh_vertnum[0]], largest)
    moved = np.linalg.norm(simplify_meshes(model, HEIGHT).mesh_vert - model.mesh_vert, axis=1)
    assert size <= largest and 0 < moved.max() <= np.sqrt(3) * size


def test_a_closed_surface_stays_closed_and_its_front_in_front(model: mujoco.MjModel) -> None:
    simple = simplify_meshes(model, HEIGHT)
    assert 0.97 < volume(simple, 0) / volume(model, 0) < 1
    first, count = simple.mesh_faceadr[0], simple.mesh_facenum[0]
    corners = simple.mesh_vert[simple.mesh_face[first : first + count]]
    _, numbers = np.unique(corners.reshape(-1, 3), axis=0, return_inverse=True)
    sides = numbers.reshape(-1, 3)[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    there, back = {tuple(side) for side in sides}, {tuple(side[::-1]) for side in sides}
    assert len(there) == len(sides) and len(there - back) <= 4 * CELLS_RANGE[0]


def test_the_callers_model_and_small_meshes_stay_as_they_are(model: mujoco.MjModel) -> None:
    before = model.mesh_vert.copy(), model.mesh_face.copy(), model.mesh_facenum.copy()
    simple = simplify_meshes(model, HEIGHT)
    for ours, was in zip(
        (model.mesh_vert, model.mesh_face, model.mesh_facenum), before, strict=True
    ):
        np.testing.assert_array_equal(ours, was)
    assert model.mesh_facenum[1] < MIN_TRIANGLES < model.mesh_facenum[0]
    np.testing.assert_array_equal(triangles(simple, 1), triangles(model, 1))


def test_a_world_without_large_meshes_is_drawn_as_it_is() -> None:
    small = scene(12)
    assert simplify_meshes(small, HEIGHT) is small
    np.testing.assert_array_equal(draw(small, "fast"), draw(small, "medium"))


def test_larger_frames_keep_more_triangles(model: mujoco.MjModel) -> None:
    counts = [simplify_meshes(model, height).mesh_facenum[0] for height in (24, 96, 480, 4096)]
    assert counts == sorted(counts) and counts[0] < counts[-1]
    assert counts[-1] > 0.99 * model.mesh_facenum[0]


def test_cells_have_numbers_without_gaps_whatever_the_scene_says_of_its_size() -> None:
    points = np.random.default_rng(0).uniform(-1, 1, (2000, 3)).astype(np.float32)
    for largest in (1e-12, 0.1, 1e12):
        cells = vertex_cells(points, cell_size(points, largest))
        assert set(cells) == set(range(cells.max() + 1))
