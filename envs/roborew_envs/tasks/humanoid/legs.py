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
        depth = rng.uniform(0.7, 1.0)
        qpos = self.sample_pose(rng, "crouch", amount=depth, noise=0.08)
        qvel = 0.05 * rng.standard_normal(self.model.nv)
        return qpos, qvel

    def gates_and_terms(self, poses: BodyPoses) -> tuple[FloatArray, FloatArray]:
        feet = self.geom_pair(poses, "foot")
        higher_foot = feet[..., 2].max(axis=1)
        # Negated, since a ramp rises and a foot should be low.
        feet_down = linear_ramp(-higher_foot, -0.6, -0.2)
        gates = np.column_stack([self.uprightness(poses), feet_down])
        torso = self.model.body("torso").id
        height = poses.body_positions[:, torso, 2]
        high = linear_ramp(height, 0.8, 1.18)
        return gates, high[:, None]


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

    def terms(self, poses: BodyPoses) -> FloatArray:
        # Whichever leg: the lower foot is the one that stands.
        feet = np.sort(self.geom_pair(poses, "foot")[..., 2], axis=1)
        lower, higher = feet.T
        lifted = linear_ramp(higher - lower, 0.02, 0.25)
        standing = linear_ramp(-lower, -0.4, -0.15)
        # A product: as two terms, standing on both feet would be half of the way.
        return np.column_stack([lifted * standing])


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

    def gates_and_terms(self, poses: BodyPoses) -> tuple[FloatArray, FloatArray]:
        # A shin's frame has its origin at the knee.
        knees = self.body_pair(poses, "shin")
        feet = self.geom_pair(poses, "foot")
        knees_down = linear_ramp(-knees[..., 2], -0.42, -0.15)
        to_knees = knees[..., :2] - feet[..., :2]
        forward = self._heading(poses)
        # Per side s, how far the foot is behind its knee along the heading [m].
        behind = np.einsum("nsk,nk->ns", to_knees, forward)
        feet_behind = linear_ramp(behind, 0.05, 0.20)
        terms = np.concatenate([knees_down, feet_behind], axis=1)
        # Feet flat on the floor: a body that squats on its toes does not kneel.
        feet_down = linear_ramp(-feet[..., 2].max(axis=1), -0.6, -0.15)
        gates = np.column_stack([self.uprightness(poses), feet_down])
        return gates, terms

    def _heading(self, poses: BodyPoses) -> FloatArray:
        """Horizontal unit vector that the trunk faces along, shape (N, 2)."""
        torso = self.model.body("torso").id
        forward = poses.body_rotations[:, torso, :2, 0]
        length = np.linalg.norm(forward, axis=1, keepdims=True)
        # A trunk that faces straight up or down has no heading.
        return forward / np.maximum(length, 1e-9)
