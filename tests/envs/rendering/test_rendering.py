"""Frames are drawn right side up, each of its own state, the same on any number of threads."""

from __future__ import annotations

import gc
import threading

import mujoco
import numpy as np
import pytest

from roborew_envs.rendering.render_context import RenderContext
from roborew_envs.rendering.renderer import Overrides, Renderer, RenderError, StoredStates, backend

MODEL = """<mujoco><visual><headlight ambient="1 1 1" diffuse="0 0 0" specular="0 0 0"/></visual><worldbody>
<body><joint name="x" type="slide" axis="1 0 0"/><geom name="red" type="box" size=".2 .2 .2" rgba="1 0 0 1"/></body>
<geom name="green" type="box" pos="0 0 1" size="2 .1 .3" rgba="0 1 0 1"/>
<geom name="blue" type="box" pos="1 0 -.5" size=".3 .1 .3" rgba="0 0 1 1"/>
<camera name="ahead" pos="0 -4 0" xyaxes="1 0 0 0 0 1"/><camera name="above" pos="0 0 5"/>
</worldbody></mujoco>"""


@pytest.fixture(scope="module")
def model() -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_string(MODEL)


def where(frame: np.ndarray, channel: int) -> tuple[float, float]:
    """Mean row and column of the pixels in which a channel is alone."""
    alone = (frame[..., channel] > 120) & (np.delete(frame, channel, axis=-1).max(axis=-1) < 60)
    rows, columns = np.nonzero(alone)
    return float(rows.mean()), float(columns.mean())


@pytest.mark.parametrize("quality", ["fast", "full"])
def test_up_is_up_and_right_is_right(model: mujoco.MjModel, quality: str) -> None:
    with Renderer(model, 60, 40, quality) as renderer:  # type: ignore[arg-type]
        (frame,) = renderer.render(np.zeros((1, 1)), "ahead")
    assert where(frame, 1)[0] < 15, "green hangs above"
    row, column = where(frame, 2)
    assert row > 20 and column > 35, "blue is below, to the right"


def test_each_frame_shows_its_own_state(model: mujoco.MjModel) -> None:
    positions = np.linspace(-1, 1, 9)[:, None]
    with Renderer(model, 60, 40, threads=3) as renderer:
        frames = renderer.render(positions, "ahead")
    columns = [where(frame, 0)[1] for frame in frames]
    assert np.all(np.diff(columns) > 2)


def test_threads_change_no_pixel(model: mujoco.MjModel) -> None:
    positions = np.random.default_rng(0).uniform(-1, 1, (7, 1))
    drawn = []
    for threads in (1, 2, 4):
        with Renderer(model, 48, 32, threads=threads) as renderer:
            drawn.append(renderer.render(positions, "ahead"))
    np.testing.assert_array_equal(drawn[0], drawn[1])
    np.testing.assert_array_equal(drawn[0], drawn[2])


def test_two_renderers_do_not_disturb_each_other(model: mujoco.MjModel) -> None:
    with Renderer(model, 48, 32) as small, Renderer(model, 96, 64, "full") as large:
        first = small.render(np.zeros((2, 1)), "ahead")
        assert large.render(np.zeros((1, 1)), "above").shape == (1, 64, 96, 3)
        np.testing.assert_array_equal(small.render(np.zeros((2, 1)), "ahead"), first)


def test_overrides_paint_one_frame_each_and_leave_the_callers_model_alone(
    model: mujoco.MjModel,
) -> None:
    red = np.array([model.geom("red").id])
    before = model.geom_rgba.copy()
    painted = Overrides({"geom_rgba": (red, np.array([[[0, 1, 0, 1.0]], [[1, 0, 0, 1.0]]]))})
    with Renderer(model, 60, 40, threads=1) as renderer:
        frames = renderer.render(np.zeros((2, 1)), "ahead", painted)
    middle = frames[:, 20, 30]
    assert middle[0, 1] > 120 > middle[0, 0] and middle[1, 0] > 120 > middle[1, 1]
    np.testing.assert_array_equal(model.geom_rgba, before)


def test_overrides_do_not_outlive_their_draw(model: mujoco.MjModel) -> None:
    painted = Overrides(
        {"geom_rgba": (np.array([model.geom("red").id]), np.array([[[0, 1, 0, 1.0]]]))}
    )
    with Renderer(model, 60, 40, threads=1) as renderer:
        plain = renderer.render(np.zeros((1, 1)), "ahead")
        assert not np.array_equal(renderer.render(np.zeros((1, 1)), "ahead", painted), plain)
        np.testing.assert_array_equal(renderer.render(np.zeros((1, 1)), "ahead"), plain)


def test_merged_overrides_let_the_later_win() -> None:
    first = Overrides(
        {
            "geom_rgba": (np.array([0, 1]), np.array([[[1.0], [2.0]]])),
            "light_pos": (np.array([0]), np.ones((1, 1, 3))),
        }
    )
    later = Overrides({"geom_rgba": (np.array([1, 2]), np.array([[[3.0], [4.0]]]))})
    indices, values = first.merge(later).fields["geom_rgba"]
    assert dict(zip(indices.tolist(), values[0, :, 0].tolist(), strict=True)) == {
        0: 1.0,
        1: 3.0,
        2: 4.0,
    }
    assert set(first.merge(later).fields) == {"geom_rgba", "light_pos"}


def test_equal_states_are_drawn_once_and_shown_everywhere(
    model: mujoco.MjModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    positions = np.array([0.5, -0.5, 0.5, 0.5, np.nextafter(0.5, 1)])[:, None]
    red, rgba = np.array([model.geom("red").id]), np.tile([1.0, 0, 0, 1], (5, 1, 1))
    rgba[3] = 0, 1, 0, 1  # the same place in another colour is another state
    drawn: list[float] = []
    draw = RenderContext.render
    monkeypatch.setattr(
        RenderContext,
        "render",
        lambda self, i, frame, states, camera: (
            drawn.append(states.qpos[i, 0]),
            draw(self, i, frame, states, camera),
        )[1],
    )
    with Renderer(model, 48, 32, threads=2) as renderer:
        frames = renderer.render(positions, "ahead", Overrides({"geom_rgba": (red, rgba)}))
        assert len(drawn) == 4
        for i, frame in enumerate(frames):
            alone = Overrides({"geom_rgba": (red, rgba[i : i + 1])})
            np.testing.assert_array_equal(
                frame, renderer.render(positions[i : i + 1], "ahead", alone)[0]
            )
        frames[0] = 0
        assert frames[2].any(), "no frame is another's memory"


def test_stored_states_are_chosen_and_joined_with_what_they_paint(model: mujoco.MjModel) -> None:
    red = np.array([model.geom("red").id])
    rgba = np.random.default_rng(0).uniform(0, 1, (5, 1, 4))
    states = StoredStates(np.linspace(-1, 1, 5)[:, None], Overrides({"geom_rgba": (red, rgba)}))
    with Renderer(model, 48, 32, threads=2) as renderer:
        frames = renderer.render(states.qpos, "ahead", states.overrides)
        again = StoredStates.concatenate([states[3:], states[np.array([2, 0])]])
        assert len(again) == 4
        np.testing.assert_array_equal(
            renderer.render(again.qpos, "ahead", again.overrides), frames[[3, 4, 2, 0]]
        )


def test_what_cannot_be_drawn_is_refused_with_the_choices(model: mujoco.MjModel) -> None:
    with pytest.raises(RenderError, match="expected one of fast, medium, full"):
        Renderer(model, quality="best")  # type: ignore[arg-type]
    with pytest.raises(RenderError, match="got 0 x 72 pixels"):
        Renderer(model, width=0)
    with (
        Renderer(model, 16, 16, threads=1) as renderer,
        pytest.raises(RenderError, match="Available: ahead, above"),
    ):
        renderer.render(np.zeros((1, 1)), "behind")
    with pytest.raises(RenderError, match="closed"):
        renderer.render(np.zeros((1, 1)), "ahead")


def test_an_error_while_drawing_reaches_the_caller_and_the_renderer_lives_on(
    model: mujoco.MjModel,
) -> None:
    with Renderer(model, 16, 16, threads=2) as renderer:
        with pytest.raises(ValueError, match="broadcast"):
            renderer.render(np.zeros((4, 3)), "ahead")
        assert renderer.render(np.zeros((4, 1)), "ahead").shape == (4, 16, 16, 3)


def test_an_unknown_opengl_platform_is_refused(
    model: mujoco.MjModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MUJOCO_GL", "vulkan")
    with pytest.raises(RenderError, match="got 'vulkan', expected one of egl, glfw, osmesa"):
        backend()
    with pytest.raises(RenderError, match="roborew doctor|vulkan"):
        Renderer(model, 16, 16)


def test_a_dropped_renderer_frees_its_contexts(model: mujoco.MjModel) -> None:
    before = set(threading.enumerate())
    renderer = Renderer(model, 16, 16, threads=2)
    threads = set(threading.enumerate()) - before
    assert len(threads) == 2
    del renderer
    gc.collect()
    for thread in threads:
        thread.join(timeout=10)
        assert not thread.is_alive()
