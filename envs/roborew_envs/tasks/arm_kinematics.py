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
    """Position of the end effector, the point between the finger tips.

    Args:
        joints: shape (N, >= 4): yaw, shoulder, elbow, wrist [rad].

    Returns:
        shape (N, 3), world frame [m].
    """
    yaw, shoulder, elbow, wrist = joints[:, :4].T
    # Angles of the links from the vertical: each joint turns all that follows it.
    upper_angle = shoulder
    fore_angle = upper_angle + elbow
    tool_angle = fore_angle + wrist
    horizontal = np.sin(upper_angle) + np.sin(fore_angle)
    vertical = np.cos(upper_angle) + np.cos(fore_angle)
    tool_horizontal = TOOL_LENGTH * np.sin(tool_angle)
    tool_vertical = TOOL_LENGTH * np.cos(tool_angle)
    radius = LINK_LENGTH * horizontal + tool_horizontal
    height = SHOULDER_HEIGHT + LINK_LENGTH * vertical + tool_vertical
    x = radius * np.cos(yaw)
    y = radius * np.sin(yaw)
    return np.stack([x, y, height], axis=1)


def inverse_kinematics(position: FloatArray) -> FloatArray:
    """Joint angles, elbow up and gripper down, that put the end effector at ``position``.

    The inverse of `forward_kinematics` inside the reach; a point outside is reached for at full
    stretch.

    Args:
        position: shape (N, 3), world frame [m].

    Returns:
        shape (N, 5): yaw, shoulder, elbow, wrist, roll [rad].
    """
    x, y, z = position.T
    radius = np.hypot(x, y)
    yaw = np.arctan2(y, x)
    # The gripper points down, so the wrist is a tool's length above the end effector.
    rise = z + TOOL_LENGTH - SHOULDER_HEIGHT
    # Law of cosines in the triangle of two equal links; clipped where the point is out of reach.
    elbow_cosine = (radius**2 + rise**2) / (2 * LINK_LENGTH**2) - 1
    elbow = np.arccos(np.clip(elbow_cosine, -1, 1))
    shoulder = np.arctan2(radius, rise) - elbow / 2
    wrist = np.pi - shoulder - elbow
    roll = -yaw
    return np.stack([yaw, shoulder, elbow, wrist, roll], axis=1)
