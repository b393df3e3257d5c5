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

    def terms(self, poses: BodyPoses) -> FloatArray:
        head = self.model.geom("head").id
        head_height = poses.geom_positions[:, head, 2]
        hands = self.geom_pair(poses, "hand")
        above_head = hands[..., 2] - head_height[:, None]
        return linear_ramp(above_head, -0.7, 0.15)


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

    def terms(self, poses: BodyPoses) -> FloatArray:
        hands = self.to_body_frame("pelvis", poses, self.geom_pair(poses, "hand"))
        from_hips = np.linalg.norm(hands - _HIPS, axis=-1)
        near = linear_ramp(-from_hips, -0.20, -0.10)
        elbows = self.to_body_frame("pelvis", poses, self.body_pair(poses, "lower_arm"))
        sideways = np.abs(elbows[..., 1])
        out = linear_ramp(sideways, 0.19, 0.24)
        # Elbows count only with the hands in place, since hanging arms stick out, too.
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

    def terms(self, poses: BodyPoses) -> FloatArray:
        hands = self.to_body_frame("torso", poses, self.geom_pair(poses, "hand"))
        # In the torso's frame x is forward, y to the left, z up.
        forward, _, height = np.moveaxis(hands, -1, 0)
        left_hand_y = hands[:, 0, 1]
        right_hand_y = hands[:, 1, 1]
        crossed = linear_ramp(right_hand_y - left_hand_y, -0.6, 0.03)
        before = linear_ramp(forward, 0.0, 0.15)
        close = linear_ramp(-forward, -0.6, -0.4)
        from_chest = np.abs(height + 0.05)
        level = linear_ramp(-from_chest, -0.6, -0.25)
        return np.concatenate([crossed[:, None], before * close * level], axis=1)
