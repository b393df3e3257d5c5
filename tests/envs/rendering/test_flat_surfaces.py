"""Flat surfaces are drawn in few pieces at quality ``fast`` where no picture can tell."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from roborew_envs.rendering.flat_surfaces import FLOOR_PIECES, merge_flat_pieces
from roborew_envs.rendering.renderer import Renderer

SUN = "<light directional='true' dir='1 1 -2'/>"
LAMP = "<light pos='.5 -.5 1'/>"


def scene(*lights: str, grid: float = 0.1, floor: str = "4 4") -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_string(
        f"""<mujoco><asset><texture name="tiles" type="2d" builtin="checker" width="64" height="64"
        rgb1=".2 .3 .4" rgb2=".8 .7 .5"/><material name="tiles" texture="tiles" texrepeat="20 20"/></asset>
        <worldbody>{"".join(lights)}<geom type="plane" size="{floor} {grid}" material="tiles"/>
        <geom type="box" size=".4 .3 .2" pos="0 0 .2" euler="0 0 30" rgba=".8 .2 .1 1"/>
        <camera name="c" pos="0 -3 1.5" xyaxes="1 0 0 0 .45 1"/></worldbody></mujoco>"""
    )


def draw(model: mujoco.MjModel, quality: str) -> np.ndarray:
    with Renderer(model, 96, 72, quality, threads=1) as renderer:
        return renderer.render(np.zeros((1, 0)), "c")[0].astype(int)


@pytest.mark.parametrize("lights", [[], [SUN], [SUN, SUN]], ids=["headlight", "sun", "two suns"])
@pytest.mark.parametrize("floor", ["4 4", "0 0"], ids=["floor", "floor without end"])
def test_light_from_afar_shows_no_pieces(lights: list[str], floor: str) -> None:
    model = scene(*lights, floor=floor)
    difference = np.abs(draw(model, "fast") - draw(model, "medium")).max(axis=-1)
    assert (difference > 1).mean() < 0.001
    assert draw(model, "fast").std() > 5  # there is something to be seen


def test_fewer_pieces_are_kept_for_drawing_alone() -> None:
    model = scene(SUN)
    merged = merge_flat_pieces(model)
    assert 2 * 4 / merged.geom_size[0, 2] == FLOOR_PIECES and merged.vis.quality.numquads == 1
    assert model.geom_size[0, 2] == 0.1 and model.vis.quality.numquads == 4
    np.testing.assert_array_equal(merged.geom_size[:, :2], model.geom_size[:, :2])
    np.testing.assert_array_equal(merged.geom_size[1], model.geom_size[1])  # no floor


def test_a_floor_of_fewer_pieces_stays_as_it_is() -> None:
    assert merge_flat_pieces(scene(SUN, grid=3)).geom_size[0, 2] == 3


def test_a_lamp_nearby_is_drawn_with_every_piece() -> None:
    model = scene(SUN, LAMP)
    assert merge_flat_pieces(model) is model
    np.testing.assert_array_equal(draw(model, "fast"), draw(model, "medium"))


def test_a_lamp_that_is_off_does_not_count() -> None:
    model = scene(SUN, LAMP.replace("/>", " active='false'/>"))
    assert merge_flat_pieces(model) is not model


def test_a_world_without_floors_is_merged_too() -> None:
    model = mujoco.MjModel.from_xml_string(
        "<mujoco><worldbody><geom size='.1'/></worldbody></mujoco>"
    )
    np.testing.assert_array_equal(merge_flat_pieces(model).geom_size, model.geom_size)
