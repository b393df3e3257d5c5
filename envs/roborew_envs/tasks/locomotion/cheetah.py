"""Run forward: a two-legged runner on a track of coloured metres, done when it is beyond the line
on its feet."""

from __future__ import annotations

from typing import ClassVar

import mujoco

from roborew_envs.core.task import FloatArray, Language
from roborew_envs.tasks.gymnasium_bodies import color_geoms, compile_body, load_body
from roborew_envs.tasks.locomotion.runner import Runner, planar_uprightness
from roborew_envs.tasks.locomotion.track import add_runner_cameras, add_track

FINISH = 10
"""Place of the finish line along x, in metres from the start; one colour of the track a metre."""


class Cheetah(Runner):
    """Gymnasium's HalfCheetah, its time step and frame skip as in HalfCheetah-v5. Progress is the
    way run, of 10 m."""

    id = "roborew/Cheetah-v0"
    horizon = 200
    finish_x = FINISH
    stages: ClassVar[tuple[str, ...]] = ("start", "run", "finished")
    substeps = 5
    action_size = 6
    language = Language(
        instruction="run forward",
        paraphrases=(
            "run forwards as fast as you can",
            "please sprint forward",
            "make the cheetah run forward",
            "gallop ahead at full speed",
            "keep running forward",
            "the cheetah is running forward",
            "use both legs to run forward quickly",
            "keep running forward at a high speed",
            "run in the forward direction with maximum speed",
            "get the cheetah running forward",
            "I would like you to run forward at a fast pace",
            "dash forward on your two legs",
        ),
        wrong_instructions=(
            "run backwards",
            "stay where you are",
            "do not run forward",
            "never run ahead",
            "do a backflip",
            "look forward",
            "run into the door",
            "stand upright",
            "raise both arms above the head",
            "hello",
        ),
    )

    def build(self) -> mujoco.MjModel:
        spec = load_body("half_cheetah.xml")
        dark = (0.10, 0.10, 0.12)
        violet = (0.30, 0.05, 0.25)
        blue = (0.05, 0.10, 0.35)
        color_geoms(spec, {"bshin": violet, "fshin": blue, "foot": (0.95, 0.95, 0.95)})
        color_geoms(spec, {"torso": dark, "head": dark, "thigh": dark})
        add_track(spec, self.finish_x)
        add_runner_cameras(spec, self.finish_x)
        return compile_body(spec)

    def uprightness(self, qpos: FloatArray) -> FloatArray:
        """The back runs 0.7 m above the floor, where qpos says 0; all is lost 0.6 m below that and
        on nose or back.

        A gallop dips the nose by up to 60 degrees in its leaps, which costs nothing; up to 72
        degrees it may arrive.
        """
        _, height, pitch = qpos[:, :3].T
        # Half is lost at a lean of 1.25 rad, the 72 degrees up to which it may arrive.
        return planar_uprightness(height, pitch, (-0.6, -0.4), (1.0, 1.5))
