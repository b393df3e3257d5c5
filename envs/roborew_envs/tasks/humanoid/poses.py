"""The joint angles of the poses, as data."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

Pose = Literal[
    "stand",
    "crouch",
    "kneel",
    "raise_arms",
    "hands_on_hips",
    "arms_crossed",
    "one_leg",
    "side_splits",
    "lotus",
]

_ARMS_DOWN = {"shoulder1": -50, "shoulder2": 33, "elbow": -88}
_ARMS_UP = {"shoulder1": 82, "shoulder2": -20, "elbow": -80}
_STRAIGHT = {"hip_y": 0, "knee": -5}
_JOINTS: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "stand": {**_STRAIGHT, **_ARMS_DOWN},
        "crouch": {"hip_y": -85, "knee": -125, "shoulder1": 0, "shoulder2": 0, "elbow": -45},
        "kneel": {"hip_y": -3, "knee": -92, **_ARMS_DOWN},
        "raise_arms": {**_STRAIGHT, **_ARMS_UP},
        "hands_on_hips": {**_STRAIGHT, "shoulder1": -46, "shoulder2": 66, "elbow": -24},
        "arms_crossed": {
            **_STRAIGHT,
            "shoulder1": -60,
            "left_shoulder2": 10,
            "left_elbow": -16,
            "right_shoulder2": 7,
            "right_elbow": -6,
        },
        "one_leg": {**_STRAIGHT, **_ARMS_DOWN, "left_hip_y": -75, "left_knee": -95},
        "side_splits": {"hip_x": -5, "hip_z": -60, "hip_y": -85, "knee": -2, **_ARMS_DOWN},
        "lotus": {"hip_x": 5, "hip_z": -58, "hip_y": -103, "knee": -160, **_ARMS_DOWN},
    }
)
"""Angles [degrees] by joint of both sides, given for the left, or by joint of one side; those not
named are 0."""
_MIRRORED = ("shoulder1", "shoulder2")
"""Joints whose angle has the other sign on the right side."""


def joint_angle(pose: Pose, joint: str) -> float:
    """Angle of a joint, say ``left_knee``, in a pose [degrees].

    >>> joint_angle("kneel", "left_shoulder1"), joint_angle("kneel", "right_shoulder1")
    (-50, 50)

    Raises:
        ValueError: there is no such pose.
    """
    if pose not in _JOINTS:
        raise ValueError(f"pose: got {pose!r}, expected one of {', '.join(_JOINTS)}.")
    angles = _JOINTS[pose]
    # One side's own angle goes first: where arms cross, the two sides differ.
    if joint in angles:
        return angles[joint]
    side, _, mirrored_joint = joint.partition("_")
    # Gymnasium's body has its right shoulders' axes mirrored, but not those of its legs.
    sign = -1 if side == "right" and mirrored_joint in _MIRRORED else 1
    return sign * angles.get(mirrored_joint, 0)
