"""Poses of the arms, held standing: raised, on the hips, crossed."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from roborew_envs.core.task import FloatArray, Language
from roborew_envs.tasks.humanoid.humanoid import OnFeet, linear_ramp
from roborew_envs.tasks.kinematics import BodyPoses

_HIPS = np.array([[0.03, 0.20, 0.03], [0.03, -0.20, 0.03]])
"""Places of the left and the right hand on the hips, in the frame of the pelvis [m]."""


class HumanoidRaiseArms(OnFeet):
    """Stand with both hands above the head."""

    id = "roborew/HumanoidRaiseArms-v0"
    stages: ClassVar[tuple[str, ...]] = ("arms low", "raising", "raised")
    language = Language(
        instruction="raise both arms above the head",
        paraphrases=(
            "lift both arms above your head",
            "please put your hands up",
            "raise your arms",
            "hold both hands over your head",
            "stretch your arms up high above your head",
            "a humanoid robot with both arms raised",
            "I want the robot to raise both its arms above its head",
            "raise your left and right arms above your head",
            "point both arms straight up",
            "move both arms upward until they are above the head",
            "I would like you to raise both arms high overhead",
            "extend both arms up toward the ceiling",
        ),
        wrong_instructions=(
            "lower both arms",
            "put your hands down",
            "do not raise both arms",
            "raise nothing",
            "raise one arm",
            "raise both legs",
            "clap your hands",
            "stand upright",
            "kneel on the ground",
            "arms the head above both raise the",
        ),
    )

    def terms(self, places: BodyPoses) -> FloatArray:
        head = places.geom_positions[:, self.model.geom("head").id, 2]
        above = self.geom_pair(places, "hand")[..., 2] - head[:, None]
        return linear_ramp(above, -0.7, 0.15)


class HumanoidHandsOnHips(OnFeet):
    """Stand with each hand on its hip, elbows out."""

    id = "roborew/HumanoidHandsOnHips-v0"
    cameras: ClassVar[tuple[str, ...]] = ("front", "quarter", "side")
    stages: ClassVar[tuple[str, ...]] = ("arms apart", "closing in", "hands on hips")
    language = Language(
        instruction="put both hands on the hips",
        paraphrases=(
            "stand with your hands on your hips",
            "please place your hands on your hips",
            "rest both hands at your waist",
            "a humanoid robot standing with hands on hips",
            "set your arms akimbo",
            "hold your hands against your hips",
            "bring each hand to its hip",
            "hands on hips, elbows out",
            "stand arms akimbo",
            "lay one hand on each hip",
        ),
        wrong_instructions=(
            "take your hands off your hips",
            "let your arms hang",
            "do not put your hands on your hips",
            "put both hands on the head",
            "raise both arms above the head",
            "cross your arms",
            "kneel on the ground",
            "hello",
        ),
    )

    def terms(self, places: BodyPoses) -> FloatArray:
        hands = self.to_body_frame("pelvis", places, self.geom_pair(places, "hand"))
        elbows = self.to_body_frame("pelvis", places, self.body_pair(places, "lower_arm"))
        near = linear_ramp(-np.linalg.norm(hands - _HIPS, axis=-1), -0.20, -0.10)
        out = linear_ramp(np.abs(elbows[..., 1]), 0.19, 0.24)
        return np.concatenate([near, near * out], axis=1)


class HumanoidArmsCrossed(OnFeet):
    """Stand with the arms crossed close before the chest: the hands have changed sides, by 3 cm or
    more."""

    id = "roborew/HumanoidArmsCrossed-v0"
    cameras: ClassVar[tuple[str, ...]] = ("front", "quarter", "side")
    stages: ClassVar[tuple[str, ...]] = ("arms apart", "closing in", "arms crossed")
    language = Language(
        instruction="cross the arms before the chest",
        paraphrases=(
            "stand with crossed arms",
            "please cross your arms",
            "fold your arms over your chest",
            "a humanoid robot standing with its arms crossed",
            "lay one arm across the other",
            "hold your arms folded",
            "arms crossed before the chest, stand upright",
            "bring each hand to the other side of the chest",
            "stand there with folded arms",
            "cross both forearms in front of you",
        ),
        wrong_instructions=(
            "uncross your arms",
            "spread your arms wide",
            "do not cross your arms",
            "cross your legs",
            "raise both arms above the head",
            "put both hands on the hips",
            "clap your hands",
            "hello",
        ),
    )

    def terms(self, places: BodyPoses) -> FloatArray:
        hands = self.to_body_frame("torso", places, self.geom_pair(places, "hand"))
        crossed = linear_ramp(hands[:, 1, 1] - hands[:, 0, 1], -0.6, 0.03)
        before = linear_ramp(hands[..., 0], 0.0, 0.15) * linear_ramp(-hands[..., 0], -0.6, -0.4)
        level = linear_ramp(-np.abs(hands[..., 2] + 0.05), -0.6, -0.25)
        return np.concatenate([crossed[:, None], before * level], axis=1)
