"""Hop forward: a one-legged body on the track, done when it is beyond the finish line and has not
fallen."""

from __future__ import annotations

from typing import ClassVar

import mujoco

from roborew_envs.core.task import FloatArray, Language
from roborew_envs.tasks.gymnasium_bodies import color_geoms, compile_body, load_body
from roborew_envs.tasks.locomotion.runner import EndsAtFall, Runner, planar_uprightness
from roborew_envs.tasks.locomotion.track import add_runner_cameras, add_track


class Hopper(Runner):
    """Gymnasium's Hopper, its time step as in Hopper-v5, an action held for 20 ms. Progress is the
    way, of 5 m."""

    id = "roborew/Hopper-v0"
    horizon = 300
    finish_x = 5
    stages: ClassVar[tuple[str, ...]] = ("start", "hop", "finished")
    # Steps of 2 ms.
    substeps = 10
    action_size = 3
    start_noise = (0.02, 0.05)
    language = Language(
        instruction="hop forward",
        paraphrases=(
            "hop forwards on one leg",
            "please jump ahead again and again",
            "make the hopper hop forward",
            "bounce forward on your single leg",
            "keep hopping forward without falling",
            "the one-legged robot is hopping forward",
            "move ahead with one hop after another",
            "spring forward to the finish line",
            "hop on and on towards the gate",
            "travel forward by hopping",
        ),
        wrong_instructions=(
            "hop backwards",
            "stay on the spot",
            "do not hop forward",
            "never move ahead",
            "fall over",
            "lie down on the ground",
            "do a somersault",
            "hello",
        ),
    )

    def build(self) -> mujoco.MjModel:
        spec = load_body("hopper.xml")
        dark = (0.10, 0.10, 0.12)
        violet = (0.30, 0.05, 0.25)
        blue = (0.05, 0.10, 0.35)
        color_geoms(spec, {"torso": dark, "thigh": violet, "leg": blue, "foot": (0.95, 0.95, 0.95)})
        add_track(spec, self.finish_x)
        add_runner_cameras(spec, self.finish_x, away=4.2, up=0.25)
        return compile_body(spec)

    def uprightness(self, qpos: FloatArray) -> FloatArray:
        """The torso stands at 1.25 m; it is lost below 0.6 m."""
        _, height, pitch = qpos[:, :3].T
        return planar_uprightness(height, pitch, (0.6, 0.85))


class HopperV1(EndsAtFall, Hopper):
    """`Hopper` that ends at a fall."""

    id = "roborew/Hopper-v1"
    train_timesteps = 400_000
