"""Fetch's tasks from nearby: the environments' own camera stands so far off that the goal is a pixel.

Ids: ``experiments.suites.views:FetchReachNear-v4`` and ``experiments.suites.views:FetchPushNear-v4``, camera
``default``. Nothing but the picture differs from Gymnasium-Robotics' own.
"""

from __future__ import annotations

from typing import Any, cast

import gymnasium

MAX_EPISODE_STEPS = 50
"""As upstream."""
BESIDE = {"distance": 0.9, "azimuth": 90.0, "elevation": -10.0, "lookat": (1.3, 0.75, 0.5)}
"""Sees how high and how far forward the hand is; the camera in front, ``external_camera_0``, how far to
the side."""
ABOVE = {"distance": 0.8, "azimuth": 132.0, "elevation": -30.0, "lookat": (1.3, 0.75, 0.45)}
"""Sees the table, and the arm hides little of it."""

_register = cast(Any, gymnasium).register
for _name, _view in (("Reach", BESIDE), ("Push", ABOVE)):
    _register(
        f"Fetch{_name}Near-v4",
        entry_point=f"gymnasium_robotics.envs.fetch.{_name.lower()}:MujocoFetch{_name}Env",
        max_episode_steps=MAX_EPISODE_STEPS,
        kwargs={"default_camera_config": _view},
    )
