"""Points of many states at once: distances, heights, rotations, choices row by row."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


def distance(points: FloatArray, targets: FloatArray) -> FloatArray:
    """Euclidean distance of points, shape (N, 3) [m]: shape (N,) [m]."""
    return np.linalg.norm(points - targets, axis=1)


def horizontal_distance(points: FloatArray, targets: FloatArray) -> FloatArray:
    """Distance seen from above of points, shape (N, >= 2) [m]: shape (N,) [m]."""
    xy = points[:, :2]
    target_xy = targets[:, :2]
    return np.linalg.norm(xy - target_xy, axis=1)


def at_height(points: FloatArray, height: float) -> FloatArray:
    """The points, shape (N, >= 2) [m], moved to one height [m]: shape (N, 3) [m]."""
    heights = np.full(len(points), height)
    return np.column_stack([points[:, :2], heights])


def where_rows(mask: BoolArray, chosen: FloatArray, otherwise: FloatArray) -> FloatArray:
    """Rows of ``chosen`` where the mask, shape (N,), holds, and of ``otherwise``: shape (N, K)."""
    return np.where(mask[:, None], chosen, otherwise)


def rotate_about_z(points: FloatArray, angles: FloatArray) -> FloatArray:
    """Rotate points, shape (3,) or (N, 3), about the vertical axis by angles (N,) [rad]: (N, 3).

    >>> rotate_about_z(np.array([1.0, 0.0, 2.0]), np.array([np.pi / 2])).round(6).tolist()
    [[0.0, 1.0, 2.0]]
    """
    x, y, z = np.broadcast_to(points, (len(angles), 3)).T
    cosine = np.cos(angles)
    sine = np.sin(angles)
    rotated_x = cosine * x - sine * y
    rotated_y = sine * x + cosine * y
    return np.stack([rotated_x, rotated_y, z], axis=1)


def yaw_quaternion(angle: float) -> FloatArray:
    """Unit quaternion (w, x, y, z) of a rotation about the vertical by an angle [rad]."""
    half = angle / 2
    return np.array([np.cos(half), 0.0, 0.0, np.sin(half)])


def point_behind(points: FloatArray, goal: FloatArray, gap: float) -> FloatArray:
    """Points ``gap`` [m] behind others, shape (N, 3) [m], seen from a goal, shape (N, 2) [m].

    A hand there pushes a thing straight to its goal.
    """
    to_goal = goal - points[:, :2]
    length = np.linalg.norm(to_goal, axis=1)
    # At the goal there is no direction; any will do.
    safe_length = np.maximum(length, 1e-6)[:, None]
    behind = points.copy()
    behind[:, :2] -= gap * to_goal / safe_length
    return behind
