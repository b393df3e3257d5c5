"""Kinematics of the desk's arm in closed form, for N arms at once.

The arm turns about a vertical column (yaw), reaches with two links of equal length in the vertical
plane (shoulder, elbow), and keeps its gripper pointing down (wrist) and square to the desk (roll).
All lengths in metres, angles in radians; positions in the world frame, whose origin is the column's
foot.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

LINK_LENGTH = 0.45
"""Length of the upper and of the fore link [m]."""
SHOULDER_HEIGHT = 0.30
"""Height of the shoulder above the desk's top [m]."""
TOOL_LENGTH = 0.165
"""From the wrist to the point between the finger tips [m]."""


def forward_kinematics(joints: FloatArray) -> FloatArray:
    """Where the finger tips are.

    Args:
        joints: shape (N, >= 4): yaw, shoulder, elbow, wrist [rad].

    Returns:
        shape (N, 3), world frame [m].
    """
    yaw, upper = joints[:, 0], joints[:, 1]
    fore = upper + joints[:, 2]
    tool = fore + joints[:, 3]
    radius = LINK_LENGTH * (np.sin(upper) + np.sin(fore)) + TOOL_LENGTH * np.sin(tool)
    height = (
        SHOULDER_HEIGHT + LINK_LENGTH * (np.cos(upper) + np.cos(fore)) + TOOL_LENGTH * np.cos(tool)
    )
    return np.stack([radius * np.cos(yaw), radius * np.sin(yaw), height], axis=1)


def inverse_kinematics(hand: FloatArray) -> FloatArray:
    """The joint angles, elbow up and gripper down, that put the finger tips at ``hand``.

    The inverse of `forward_kinematics` inside the reach; a point outside is reached for at full stretch.

    Args:
        hand: shape (N, 3), world frame [m].

    Returns:
        shape (N, 5): yaw, shoulder, elbow, wrist, roll [rad].
    """
    radius = np.hypot(hand[:, 0], hand[:, 1])
    yaw = np.arctan2(hand[:, 1], hand[:, 0])
    rise = hand[:, 2] + TOOL_LENGTH - SHOULDER_HEIGHT
    cosine = np.clip((radius**2 + rise**2) / (2 * LINK_LENGTH**2) - 1, -1, 1)
    elbow = np.arccos(cosine)
    shoulder = np.arctan2(radius, rise) - elbow / 2
    return np.stack([yaw, shoulder, elbow, np.pi - shoulder - elbow, -yaw], axis=1)
