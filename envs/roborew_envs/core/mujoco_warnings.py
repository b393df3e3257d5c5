"""Warnings of MuJoCo, through logging and each kind once.

MuJoCo itself prints each one, hundreds where a simulation is unstable, and writes them into
MUJOCO_LOG.TXT in the working directory.
"""

from __future__ import annotations

import logging
import re

import mujoco

logger = logging.getLogger(__name__)
_NUMBER = re.compile(r"[-+.\d]+")
_logged: set[str] = set()


def log_warning(text: str) -> None:
    """Log a warning unless one that differs in numbers alone, as in its time, was logged before."""
    kind = _NUMBER.sub("", text)
    if kind not in _logged:
        _logged.add(kind)
        logger.warning("MuJoCo warns: %s More of this kind are not shown.", text.strip())


def log_mujoco_warnings() -> None:
    """Let MuJoCo log its warnings from now on, unless the user's own function gets them already."""
    if mujoco.get_mju_user_warning() is None:
        mujoco.set_mju_user_warning(log_warning)
