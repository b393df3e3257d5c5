"""Walk forward: a two-legged body on the track, done when it is beyond the finish line and has not
fallen."""

from __future__ import annotations

from typing import ClassVar

import mujoco

from roborew_envs.core.task import FloatArray, Language
from roborew_envs.tasks.gymnasium_bodies import color_geoms, compile_body, load_body
from roborew_envs.tasks.locomotion.runner import EndsAtFall, Runner, planar_uprightness
from roborew_envs.tasks.locomotion.track import add_runner_cameras, add_track


class Walker(Runner):
    """Gymnasium's Walker2d, its time step as in Walker2d-v5, an action held for 20 ms. Progress is
    the way, of 5 m."""

    id = "roborew/Walker-v0"
    horizon = 300
    finish_x = 5
    stages: ClassVar[tuple[str, ...]] = ("start", "walk", "finished")
    # Steps of 2 ms.
    substeps = 10
    action_size = 6
    start_noise = (0.02, 0.05)
    language = Language(
        instruction="walk forward",
        paraphrases=(
            "walk forwards on two legs",
            "please walk straight ahead",
            "make the walker walk forward",
            "take step after step forward",
            "keep walking forward without falling",
            "the two-legged robot is walking forward",
            "go forward on foot",
            "stride ahead to the finish line",
            "put one foot before the other and walk on",
            "march forward upright",
        ),
        wrong_instructions=(
            "walk backwards",
            "stand still",
            "do not walk forward",
            "never take a step ahead",
            "fall over",
            "lie down on the ground",
            "sit down",
            "hello",
        ),
    )

    def build(self) -> mujoco.MjModel:
        spec = load_body("walker2d_v5.xml")
        # Seen from the side the legs cross: their colors tell them apart.
        left, right = (0.95, 0.92, 0.85), (0.05, 0.10, 0.35)
        color_geoms(
            spec,
            {
                "torso": (0.10, 0.10, 0.12),
                "left": left,
                "thigh": right,
                "leg": right,
                "foot": right,
            },
        )
        add_track(spec, self.finish_x)
        add_runner_cameras(spec, self.finish_x, away=4.2, up=0.25)
        return compile_body(spec)

    def uprightness(self, qpos: FloatArray) -> FloatArray:
        """The torso stands at 1.25 m; it is lost below 0.6 m."""
        _, height, pitch = qpos[:, :3].T
        return planar_uprightness(height, pitch, (0.6, 0.85))


class WalkerV1(EndsAtFall, Walker):
    """`Walker` that ends at a fall."""

    id = "roborew/Walker-v1"
