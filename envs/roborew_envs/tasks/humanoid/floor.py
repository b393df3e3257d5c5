"""Poses on the floor: the side splits and the lotus position."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from roborew_envs.core.task import FloatArray, Language
from roborew_envs.tasks.humanoid.humanoid import Humanoid, linear_ramp
from roborew_envs.tasks.kinematics import BodyPoses

_OUTWARD = np.array([1, -1])
"""Sign of y of the left and of the right side, in the frame of a body."""


def pelvis_low(body: Humanoid, poses: BodyPoses, low: float) -> FloatArray:
    """1 where the pelvis is no higher than ``low`` [m], 0 from 0.85 m on, shape (N,)."""
    pelvis = body.model.body("pelvis").id
    height = poses.body_positions[:, pelvis, 2]
    return linear_ramp(-height, -0.85, -low)


class HumanoidSideSplits(Humanoid):
    """Sit on the floor with straight legs spread as far as this body's hips allow, which is 119
    degrees."""

    id = "roborew/HumanoidSideSplits-v0"
    cameras: ClassVar[tuple[str, ...]] = ("front", "quarter", "side")
    stages: ClassVar[tuple[str, ...]] = ("standing", "going down", "in the splits")
    language = Language(
        instruction="do the side splits",
        paraphrases=(
            "go down into the side splits",
            "please spread your legs on the floor",
            "slide down into a straddle split",
            "a humanoid robot doing the side splits",
            "sit on the floor with your legs wide apart",
            "stretch both legs out to the sides",
            "sink into the splits with straight legs",
            "get into a straddle on the ground",
            "open your legs wide and sit down",
            "hold the side splits with an upright back",
        ),
        wrong_instructions=(
            "close your legs",
            "stand upright",
            "do not do the splits",
            "cross your legs on the floor",
            "kneel on the ground",
            "raise both arms above the head",
            "lie flat on the ground",
            "hello",
        ),
    )

    def gates_and_terms(self, poses: BodyPoses) -> tuple[FloatArray, FloatArray]:
        feet = self.geom_pair(poses, "foot")
        hips = self.body_pair(poses, "thigh")
        legs = feet - hips
        # A straight leg is 0.7 m long from hip to foot.
        lengths = np.linalg.norm(legs, axis=-1)
        straight = linear_ramp(lengths, 0.5, 0.70)
        angle = self._angle_between(legs, lengths)
        spread = linear_ramp(angle, 20, 95)
        feet_in_pelvis = self.to_body_frame("pelvis", poses, feet)
        sideways = feet_in_pelvis[..., 1] * _OUTWARD
        aside = linear_ramp(sideways, 0.1, 0.5)
        foot_heights = feet[..., 2]
        low = linear_ramp(-foot_heights, -0.8, -0.35)
        terms = np.column_stack([spread, straight, aside * low])
        seated = pelvis_low(self, poses, 0.26)
        gates = np.column_stack([self.uprightness(poses), seated])
        return gates, terms

    @staticmethod
    def _angle_between(legs: FloatArray, lengths: FloatArray) -> FloatArray:
        """Angle between two legs, shape (N, 2, 3) [m], of lengths (N, 2) [m]: (N,) [degrees]."""
        left, right = np.moveaxis(legs, 1, 0)
        dot = (left * right).sum(axis=-1)
        # A leg of no length has no direction.
        norm = np.maximum(lengths.prod(axis=1), 1e-9)
        cosine = np.clip(dot / norm, -1, 1)
        angle = np.arccos(cosine)
        return np.rad2deg(angle)


class HumanoidLotus(Humanoid):
    """Sit on the floor, back upright, knees wide apart, shins inwards, feet drawn in under the
    body."""

    id = "roborew/HumanoidLotus-v0"
    cameras: ClassVar[tuple[str, ...]] = ("front", "quarter", "side")
    stages: ClassVar[tuple[str, ...]] = ("standing", "going down", "seated")
    language = Language(
        instruction="sit in the lotus position",
        paraphrases=(
            "sit down cross-legged",
            "please take the lotus position",
            "sit as if to meditate",
            "a humanoid robot seated in the lotus position",
            "fold your legs and sit upright on the floor",
            "sit on the ground with your legs folded",
            "draw your feet in and let your knees fall apart",
            "take a meditation pose on the ground",
            "settle on the floor with folded legs",
            "sit tailor-fashion with a straight back",
        ),
        wrong_instructions=(
            "sit with your legs stretched out",
            "get up from the floor",
            "do not sit in the lotus position",
            "stand upright",
            "kneel on the ground",
            "do the side splits",
            "raise both arms above the head",
            "hello",
        ),
    )

    def gates_and_terms(self, poses: BodyPoses) -> tuple[FloatArray, FloatArray]:
        knees = self.body_pair(poses, "shin")
        feet = self.geom_pair(poses, "foot")
        left_knee, right_knee = np.moveaxis(knees, 1, 0)
        knee_distance = np.linalg.norm(left_knee - right_knee, axis=1)
        apart = linear_ramp(knee_distance, 0.2, 0.62)
        pelvis = self.model.body("pelvis").id
        from_pelvis = feet - poses.body_positions[:, None, pelvis]
        feet_distance = np.linalg.norm(from_pelvis[..., :2], axis=-1)
        drawn_in = linear_ramp(-feet_distance, -0.7, -0.30)
        # In the pelvis's frame, since the body may face any way.
        knees_in_pelvis = self.to_body_frame("pelvis", poses, knees)
        feet_in_pelvis = self.to_body_frame("pelvis", poses, feet)
        foot_to_knee = knees_in_pelvis - feet_in_pelvis
        inward = linear_ramp(foot_to_knee[..., 1] * _OUTWARD, 0.0, 0.2)
        terms = np.column_stack([apart, drawn_in, inward])
        seated = pelvis_low(self, poses, 0.32)
        gates = np.column_stack([self.uprightness(poses), seated])
        return gates, terms
