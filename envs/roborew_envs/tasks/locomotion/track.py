"""The track of the running tasks: one colour a metre, white posts, a chequered finish under a gate,
and its cameras."""

from __future__ import annotations

import colorsys
from itertools import product

import mujoco

from roborew_envs.tasks.gymnasium_bodies import add_visual_box

_FENCE_Y = 1.1
"""Distance of the coloured fence from the middle of a track of width 1 [m]."""


def add_track(spec: mujoco.MjSpec, finish_x: int, width: float = 1.0) -> None:
    """Lay a track along x that nothing touches.

    Args:
        spec: the world.
        finish_x: place of the finish line [m].
        width: 1 for a lane of 1.1 m, with a fence 1.1 m from its middle; other widths in
            proportion.
    """
    grey = (0.6, 0.6, 0.6)
    _add_zone(spec, "behind", (-20, 0), grey, width)
    for meter in range(finish_x):
        # From red to violet but not round to red again: every meter has a color of its own.
        hue = 0.9 * meter / finish_x
        rgb = colorsys.hsv_to_rgb(hue, 0.75, 0.95)
        _add_zone(spec, f"metre{meter}", (meter, meter + 1), rgb, width)
    white = (0.92, 0.92, 0.88)
    _add_zone(spec, "beyond", (finish_x, finish_x + 60), white, width)
    _add_finish(spec, finish_x, width)


def _add_zone(
    spec: mujoco.MjSpec,
    name: str,
    span: tuple[float, float],
    rgb: tuple[float, float, float],
    width: float,
) -> None:
    """One stretch of lane and fence in a color of its own, ended by a white post."""
    start, stop = span
    middle = (start + stop) / 2
    half_length = (stop - start) / 2
    fence_y = _FENCE_Y * width
    lane_half_size = (half_length, 0.55 * width, 0.001)
    add_visual_box(spec, f"{name}_lane", (middle, 0, 0.001), lane_half_size, rgb)
    fence_half_size = (half_length, 0.02, 0.55)
    add_visual_box(spec, f"{name}_fence", (middle, fence_y, 0.55), fence_half_size, rgb)
    # Before the fence, where a camera sees it.
    post_position = (stop, fence_y - 0.03, 0.6)
    add_visual_box(spec, f"{name}_post", post_position, (0.025, 0.02, 0.6), (1, 1, 1))


def _add_finish(spec: mujoco.MjSpec, finish_x: int, width: float) -> None:
    """A chequered line and a gate whose beam hangs over it."""
    for row, column in product(range(2), range(8)):
        shade = float((row + column) % 2)
        rgb = (shade, shade, shade)
        _add_line_tile(spec, finish_x, width, row, column, rgb)
        _add_beam_tile(spec, finish_x, width, row, column, rgb)
    fence_y = _FENCE_Y * width
    for side in (-1, 1):
        position = (finish_x, side * (fence_y - 0.05), 0.75)
        add_visual_box(spec, f"gate_{side}", position, (0.05, 0.04, 0.75), (0.85, 0.1, 0.1))


def add_runner_cameras(
    spec: mujoco.MjSpec, finish_x: int, away: float = 3.6, up: float = 0.35, tilt: float = 0.1
) -> None:
    """`side` runs along; `stand` turns after the body from the middle of the track; `chase` follows
    behind.

    Args:
        spec: a world with a body ``torso``.
        finish_x: place of the finish line [m].
        away: of `side` from the body [m].
        up: of `side` above the body's center of mass [m].
        tilt: of `side` downwards, as a slope.
    """
    track_body = mujoco.mjtCamLight.mjCAMLIGHT_TRACKCOM
    torso = spec.body("torso")
    torso.add_camera(
        name="side",
        mode=track_body,
        pos=(0.25, -away, up),
        xyaxes=(1, 0, 0, 0, tilt, 1),
        fovy=42,
    )
    torso.add_camera(
        name="chase",
        mode=track_body,
        pos=(-3.0, -1.6, 1.0),
        xyaxes=(0.5, -1, 0, 0.3, 0.15, 1),
        fovy=45,
    )
    spec.worldbody.add_camera(
        name="stand",
        mode=mujoco.mjtCamLight.mjCAMLIGHT_TARGETBODYCOM,
        targetbody="torso",
        pos=(finish_x / 2, -7.0, 2.0),
        fovy=32,
    )


def _add_line_tile(
    spec: mujoco.MjSpec,
    finish_x: int,
    width: float,
    row: int,
    column: int,
    rgb: tuple[float, float, float],
) -> None:
    """A tile of the line, which begins at the finish and is 36 cm long."""
    # Half a tile beyond: the near edge of the first row is where a body has arrived.
    x = finish_x + 0.09 + 0.18 * row
    y = width * (-0.63 + 0.18 * column)
    half_size = (0.09, 0.09 * width, 0.002)
    # Above the lane, whose top is at 2 mm: at one height the two would flicker.
    add_visual_box(spec, f"line_{row}_{column}", (x, y, 0.004), half_size, rgb)


def _add_beam_tile(
    spec: mujoco.MjSpec,
    finish_x: int,
    width: float,
    row: int,
    column: int,
    rgb: tuple[float, float, float],
) -> None:
    """A tile of the beam, 1.4 m above the lane."""
    # The rows lean back, so that a camera that follows behind sees both.
    x = finish_x - 0.02 * (row + 1) + 0.03
    y = width * (-0.98 + 0.28 * column)
    z = 1.40 + 0.14 * row
    half_size = (0.05, 0.14 * width, 0.07)
    add_visual_box(spec, f"beam_{row}_{column}", (x, y, z), half_size, rgb)
