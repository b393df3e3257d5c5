"""Scripted experts of other suites, for `roborew collect --expert`: observations, shape (N, D), to actions,
shape (N, A).

None of them remembers anything: what to do next is read from where things stand.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

GOAL = slice(3, 6)
HAND = slice(6, 9)
BLOCK = slice(9, 12)
"""Entries of the observations of Fetch's tasks; `BLOCK` where there is one [m]."""
FETCH_GAIN = 10.0
"""Action for each metre that the hand is off; an action of 1 moves it by at most 5 cm."""
BEHIND = 0.07
"""Distance from the block's centre at which the hand comes down behind it [m]."""
CLEARANCE = 0.1
"""Height above the block at which the hand travels [m]."""
NEAR = 0.02
"""Distance at which something is where it should be [m]."""
HALF_WIDTH = 0.025
"""Of the block [m]."""
SIDE_GAIN = 20.0
"""Action for each metre that the hand is beside the line through the block to its goal."""

LINK = 0.12
"""Length of either link of the reacher [m]."""
REACHER_STIFFNESS = 3.0
REACHER_DAMPING = 0.3
"""Action for each radian, and for each radian a second."""


def fetch_reach(observations: Array) -> NDArray[np.float32]:
    """Move the hand to the goal."""
    way = observations[:, GOAL] - observations[:, HAND]
    return _fetch_actions(FETCH_GAIN * way)


def fetch_push(observations: Array) -> NDArray[np.float32]:
    """Go over the block and down behind it, as seen from the goal, and push."""
    return _fetch_actions(np.stack([_push(row) for row in observations]))


def _push(observation: Array) -> Array:
    goal, hand, block = observation[GOAL], observation[HAND], observation[BLOCK]
    way = (goal - block)[:2]
    distance = float(np.linalg.norm(way))
    if distance < NEAR:
        return np.zeros(3)
    direction = way / distance
    offset = (hand - block)[:2]
    along = float(offset @ direction)
    beside = offset - along * direction
    is_behind = along < -HALF_WIDTH and float(np.linalg.norm(beside)) < HALF_WIDTH
    height = float(hand[2] - block[2])
    if is_behind and height < NEAR:
        forward = np.clip(FETCH_GAIN * distance, 0.1, 0.7) * direction
        return np.append(forward - SIDE_GAIN * beside, -FETCH_GAIN * height)
    to_start = -BEHIND * direction - offset
    is_over_start = float(np.linalg.norm(to_start)) < NEAR
    if not (is_over_start or is_behind) and height < CLEARANCE / 2:
        return np.array([0.0, 0.0, FETCH_GAIN * (CLEARANCE - height)])
    rise = -height if is_over_start or is_behind else CLEARANCE - height
    return FETCH_GAIN * np.append(to_start, rise)


def _fetch_actions(motion: Array) -> NDArray[np.float32]:
    """Actions that move the hand, shape (N, 3), and leave the gripper as it is, shape (N, 4)."""
    grip = np.zeros((len(motion), 1))
    return np.clip(np.concatenate([motion, grip], axis=1), -1, 1).astype(np.float32)


def reacher(observations: Array) -> NDArray[np.float32]:
    """Turn both joints to the angles, the nearer of two solutions, at which the tip is at the
    target."""
    angles, to_target, velocities = np.split(observations, 3, axis=1)
    tip = LINK * _tip(angles[:, 0], angles[:, 1])
    target = tip + to_target
    reach = np.linalg.norm(target, axis=1) / LINK
    bend = np.arccos(np.clip(reach**2 / 2 - 1, -1, 1))
    # Both solutions mirror each other: the elbow stays on its side.
    bend *= np.where(angles[:, 1] < 0, -1.0, 1.0)
    straight = np.arctan2(target[:, 1], target[:, 0])
    shoulder = straight - np.arctan2(np.sin(bend), 1 + np.cos(bend))
    turn = np.stack([_wrap(shoulder - angles[:, 0]), bend - angles[:, 1]], axis=1)
    actions = REACHER_STIFFNESS * turn - REACHER_DAMPING * velocities
    return np.clip(actions, -1, 1).astype(np.float32)


def _tip(shoulder: Array, wrist: Array) -> Array:
    """Where the tip is, in lengths of a link, shape (N, 2)."""
    both = shoulder + wrist
    x = np.cos(shoulder) + np.cos(both)
    y = np.sin(shoulder) + np.sin(both)
    return np.stack([x, y], axis=1)


def _wrap(angles: Array) -> Array:
    """Angles in [-pi, pi)."""
    return (angles + np.pi) % (2 * np.pi) - np.pi
