"""Poses of the legs on feet or knees: standing up, standing on one leg, kneeling."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from roborew_envs.core.task import FloatArray, Language
from roborew_envs.tasks.humanoid.humanoid import Humanoid, OnFeet, linear_ramp
from roborew_envs.tasks.kinematics import BodyPoses


class HumanoidStand(Humanoid):
    """Rise from a crouch: upright, trunk high, both feet down."""

    id = "roborew/HumanoidStand-v0"
    stages: ClassVar[tuple[str, ...]] = ("low", "rising", "standing")
    language = Language(
        instruction="stand upright",
        paraphrases=(
            "stand up",
            "please stand up straight",
            "stand on both feet",
            "get up and stand upright",
            "the humanoid should stand tall",
            "a humanoid robot standing up straight",
            "get up and stand on your feet",
            "get to your feet and stand tall",
            "assume an upright standing posture",
            "stand on your two feet with a straight back",
            "hold an upright standing pose",
            "go into a standing position",
        ),
        wrong_instructions=(
            "lie down on the ground",
            "sit down",
            "do not stand up",
            "no standing",
            "stand on your head",
            "do a handstand",
            "kneel on the ground",
            "raise both arms above the head",
            "run forward",
            "asdf qwer",
        ),
    )

    def sample_initial_state(self, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        """Crouched more or less deeply, leaning, at rest."""
        qpos = self.sample_pose(rng, "crouch", amount=rng.uniform(0.7, 1.0), noise=0.08)
        return qpos, 0.05 * rng.standard_normal(self.model.nv)

    def gates_and_terms(self, places: BodyPoses) -> tuple[FloatArray, FloatArray]:
        height = places.body_positions[:, self.model.body("torso").id, 2]
        feet = self.geom_pair(places, "foot")[..., 2].max(axis=1)
        gates = np.column_stack([self.uprightness(places), linear_ramp(-feet, -0.6, -0.2)])
        return gates, linear_ramp(height, 0.8, 1.18)[:, None]


class HumanoidOneLeg(OnFeet):
    """Stand on one leg, the other foot well off the floor."""

    id = "roborew/HumanoidOneLeg-v0"
    cameras: ClassVar[tuple[str, ...]] = ("quarter", "side", "front")
    stages: ClassVar[tuple[str, ...]] = ("on both feet", "lifting", "on one leg")
    language = Language(
        instruction="stand on one leg",
        paraphrases=(
            "lift one foot and stand on the other",
            "please balance on one leg",
            "raise one knee and stay upright",
            "a humanoid robot standing on one leg",
            "hold one leg up",
            "keep just one foot on the ground",
            "stand like a stork",
            "take one foot off the floor and keep your balance",
            "pull one leg up while standing",
            "on a single leg, stand upright",
        ),
        wrong_instructions=(
            "stand on both legs",
            "put both feet on the ground",
            "do not stand on one leg",
            "jump with both feet",
            "stand on one hand",
            "lie on the ground",
            "kneel on the ground",
            "hello",
        ),
    )

    def terms(self, places: BodyPoses) -> FloatArray:
        feet = np.sort(self.geom_pair(places, "foot")[..., 2], axis=1)
        return np.column_stack(
            [
                linear_ramp(feet[:, 1] - feet[:, 0], 0.02, 0.25)
                * linear_ramp(-feet[:, 0], -0.4, -0.15)
            ]
        )


class HumanoidKneel(Humanoid):
    """Go down on both knees, trunk upright, feet behind."""

    id = "roborew/HumanoidKneel-v0"
    cameras: ClassVar[tuple[str, ...]] = ("side", "quarter", "front")
    stages: ClassVar[tuple[str, ...]] = ("standing", "going down", "kneeling")
    language = Language(
        instruction="kneel on the ground",
        paraphrases=(
            "kneel down",
            "please get down on your knees",
            "kneel on both knees",
            "drop to your knees",
            "take a kneeling pose",
            "a humanoid robot kneeling on the ground",
            "put both knees on the ground and kneel",
            "bend your legs until you are kneeling on the ground",
            "assume a kneeling posture",
            "hold a kneeling pose on both knees",
            "kneel with both knees touching the floor",
            "rest on your knees with your torso upright",
        ),
        wrong_instructions=(
            "stop kneeling",
            "lift both knees off the ground",
            "do not kneel on the ground",
            "never kneel",
            "lie flat on the ground",
            "kneel on the table",
            "sit on the ground",
            "stand upright",
            "raise both arms above the head",
            "the",
        ),
    )

    def gates_and_terms(self, places: BodyPoses) -> tuple[FloatArray, FloatArray]:
        knees, feet = self.body_pair(places, "shin"), self.geom_pair(places, "foot")
        forward = places.body_rotations[:, self.model.body("torso").id, :2, 0]
        forward = forward / np.maximum(np.linalg.norm(forward, axis=1, keepdims=True), 1e-9)
        behind = np.einsum("nsk,nk->ns", knees[..., :2] - feet[..., :2], forward)
        parts = [linear_ramp(-knees[..., 2], -0.42, -0.15), linear_ramp(behind, 0.05, 0.20)]
        flat = linear_ramp(-feet[..., 2].max(axis=1), -0.6, -0.15)
        return np.column_stack([self.uprightness(places), flat]), np.concatenate(parts, axis=1)
