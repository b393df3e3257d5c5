"""Worlds of our own: the files in ``assets``."""

from __future__ import annotations

from importlib import resources

import mujoco
from gymnasium.error import Error

SHARED = ("arm.xml", "stage.xml")
"""Files that worlds include."""
_FOLDER = resources.files("roborew_envs") / "assets"


def load_world(file: str) -> mujoco.MjSpec:
    """Read a world.

    Args:
        file: name inside ``assets``.

    Raises:
        gymnasium.error.Error: it, or a file that it includes, is missing or damaged.
    """
    try:
        included = {name: _FOLDER.joinpath(name).read_bytes() for name in SHARED}
        return mujoco.MjSpec.from_string(_FOLDER.joinpath(file).read_text("utf-8"), included)
    except (OSError, ValueError) as error:
        fault = " ".join(str(error).split())
        raise Error(f"assets/{file} or what it includes is damaged ({fault}): install roborew again.") from error
