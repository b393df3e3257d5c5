"""Fetch's tasks from nearby: the environments' own camera stands so far off that the goal is a pixel.

Ids: ``experiments.suites.views:FetchReachNear-v4`` and ``experiments.suites.views:FetchPushNear-v4``, camera
``default``. Nothing but the picture differs from Gymnasium-Robotics' own; beside it they say where hand and
objects are, so that an expert's way can be led past them (``near_miss``).
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, cast

import gymnasium

from experiments.suites.experts import BLOCK, GOAL, HAND

MAX_EPISODE_STEPS = 50
"""As upstream."""
BESIDE = {"distance": 0.9, "azimuth": 90.0, "elevation": -10.0, "lookat": (1.3, 0.75, 0.5)}
"""Sees how high and how far forward the hand is; the camera in front, ``external_camera_0``, how far to
the side."""
ABOVE = {"distance": 0.8, "azimuth": 132.0, "elevation": -30.0, "lookat": (1.3, 0.75, 0.45)}
"""Sees the table, and the arm hides little of it."""


class Places(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Says where things stand in a flattened observation, and in an action.

    Args:
        env: one of Fetch's tasks.
        objects: what a near miss has to leave alone.
    """

    hand = HAND
    motion = slice(0, 3)

    def __init__(self, env: gymnasium.Env[Any, Any], objects: slice) -> None:
        super().__init__(env)
        self.objects = objects


def make_fetch(task: str, **settings: Any) -> Places:
    """Return one of Fetch's tasks.

    Args:
        task: ``reach`` or ``push``.
        **settings: of Gymnasium-Robotics' environment.
    """
    module = import_module(f"gymnasium_robotics.envs.fetch.{task}")
    kind = getattr(module, f"MujocoFetch{task.capitalize()}Env")
    # Where there is no block, the goal is what the hand shall come close to.
    return Places(kind(**settings), GOAL if task == "reach" else BLOCK)


_register = cast(Any, gymnasium).register
for _task, _view in (("reach", BESIDE), ("push", ABOVE)):
    _register(
        f"Fetch{_task.capitalize()}Near-v4",
        entry_point=make_fetch,
        max_episode_steps=MAX_EPISODE_STEPS,
        kwargs={"task": _task, "default_camera_config": _view},
    )
