"""Poses on the floor: the side splits and the lotus position."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from roborew_envs.core.task import FloatArray, Language
from roborew_envs.tasks.humanoid.humanoid import Humanoid, linear_ramp
from roborew_envs.tasks.kinematics import BodyPoses


def pelvis_low(body: Humanoid, places: BodyPoses, low: float) -> FloatArray:
    """1 where the pelvis is no higher than ``low`` [m], 0 from 0.85 m on, shape (N,)."""
    return linear_ramp(-places.body_positions[:, body.model.body("pelvis").id, 2], -0.85, -low)


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

    def gates_and_terms(self, places: BodyPoses) -> tuple[FloatArray, FloatArray]:
        legs = self.geom_pair(places, "foot") - self.body_pair(places, "thigh")
        lengths = np.linalg.norm(legs, axis=-1)
        cosine = (legs[:, 0] * legs[:, 1]).sum(axis=-1) / np.maximum(lengths.prod(axis=1), 1e-9)
        spread = linear_ramp(np.rad2deg(np.arccos(np.clip(cosine, -1, 1))), 20, 95)
        feet = self.geom_pair(places, "foot")
        aside = linear_ramp(self.to_body_frame("pelvis", places, feet)[..., 1] * [1, -1], 0.1, 0.5)
        low = linear_ramp(-feet[..., 2], -0.8, -0.35)
        parts = np.column_stack([spread, linear_ramp(lengths, 0.5, 0.70), aside * low])
        return np.column_stack([self.uprightness(places), pelvis_low(self, places, 0.26)]), parts


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

    def gates_and_terms(self, places: BodyPoses) -> tuple[FloatArray, FloatArray]:
        knees, feet = self.body_pair(places, "shin"), self.geom_pair(places, "foot")
        pelvis = places.body_positions[:, None, self.model.body("pelvis").id]
        apart = linear_ramp(np.linalg.norm(knees[:, 0] - knees[:, 1], axis=-1), 0.2, 0.62)
        drawn_in = linear_ramp(-np.linalg.norm((feet - pelvis)[..., :2], axis=-1), -0.7, -0.30)
        inward = (
            self.to_body_frame("pelvis", places, knees) - self.to_body_frame("pelvis", places, feet)
        )[..., 1] * [1, -1]
        parts = np.column_stack([apart, drawn_in, linear_ramp(inward, 0.0, 0.2)])
        return np.column_stack([self.uprightness(places), pelvis_low(self, places, 0.32)]), parts
