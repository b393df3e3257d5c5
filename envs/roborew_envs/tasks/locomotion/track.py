"""The track of the running tasks: one colour a metre, white posts, a chequered finish under a gate,
and its cameras."""

from __future__ import annotations

import colorsys

import mujoco

from roborew_envs.tasks.gymnasium_bodies import add_visual_box

_BEHIND = 1.1
"""Distance of the coloured fence from the middle of a track of width 1 [m]."""


def add_track(spec: mujoco.MjSpec, finish: int, width: float = 1.0) -> None:
    """Lay a track along x that nothing touches.

    Args:
        spec: the world.
        finish: place of the finish line [m].
        width: 1 for a lane of 1.1 m, with a fence 1.1 m from its middle; other widths in
            proportion.
    """
    _add_zone(spec, "behind", -20, 0, (0.6, 0.6, 0.6), width)
    for metre in range(finish):
        rgb = colorsys.hsv_to_rgb(0.9 * metre / finish, 0.75, 0.95)
        _add_zone(spec, f"metre{metre}", metre, metre + 1, rgb, width)
    _add_zone(spec, "beyond", finish, finish + 60, (0.92, 0.92, 0.88), width)
    _add_finish(spec, finish, width)


def _add_zone(
    spec: mujoco.MjSpec,
    name: str,
    start: float,
    stop: float,
    rgb: tuple[float, float, float],
    width: float,
) -> None:
    """One stretch of lane and fence in a colour of its own, ended by a white post."""
    middle, half, behind = (start + stop) / 2, (stop - start) / 2, _BEHIND * width
    add_visual_box(spec, f"{name}_lane", (middle, 0, 0.001), (half, 0.55 * width, 0.001), rgb)
    add_visual_box(spec, f"{name}_fence", (middle, behind, 0.55), (half, 0.02, 0.55), rgb)
    add_visual_box(spec, f"{name}_post", (stop, behind - 0.03, 0.6), (0.025, 0.02, 0.6), (1, 1, 1))


def _add_finish(spec: mujoco.MjSpec, finish: int, width: float) -> None:
    """A chequered line and a gate whose beam hangs over it."""
    for row in range(2):
        for column in range(8):
            shade = float((row + column) % 2)
            place = (finish + 0.09 + 0.18 * row, width * (-0.63 + 0.18 * column), 0.004)
            add_visual_box(
                spec, f"line_{row}_{column}", place, (0.09, 0.09 * width, 0.002), (shade,) * 3
            )
            beam = (
                finish - 0.02 * (row + 1) + 0.03,
                width * (-0.98 + 0.28 * column),
                1.40 + 0.14 * row,
            )
            add_visual_box(
                spec, f"beam_{row}_{column}", beam, (0.05, 0.14 * width, 0.07), (shade,) * 3
            )
    for side in (-1, 1):
        place = (finish, side * (_BEHIND * width - 0.05), 0.75)
        add_visual_box(spec, f"gate_{side}", place, (0.05, 0.04, 0.75), (0.85, 0.1, 0.1))


def add_runner_cameras(
    spec: mujoco.MjSpec, finish: int, away: float = 3.6, up: float = 0.35, tilt: float = 0.1
) -> None:
    """`side` runs along; `stand` turns after the body from the middle of the track; `chase` follows
    behind.

    Args:
        spec: a world with a body ``torso``.
        finish: place of the finish line [m].
        away: of `side` from the body [m].
        up: of `side` above the body's centre of mass [m].
        tilt: of `side` downwards, as a slope.
    """
    along = mujoco.mjtCamLight.mjCAMLIGHT_TRACKCOM
    torso = spec.body("torso")
    torso.add_camera(
        name="side", mode=along, pos=(0.25, -away, up), xyaxes=(1, 0, 0, 0, tilt, 1), fovy=42
    )
    torso.add_camera(
        name="chase", mode=along, pos=(-3.0, -1.6, 1.0), xyaxes=(0.5, -1, 0, 0.3, 0.15, 1), fovy=45
    )
    spec.worldbody.add_camera(
        name="stand",
        mode=mujoco.mjtCamLight.mjCAMLIGHT_TARGETBODYCOM,
        targetbody="torso",
        pos=(finish / 2, -7.0, 2.0),
        fovy=32,
    )
