"""Walk forward on four legs: done when the body is beyond the finish line, in its lane and the
right way up."""

from __future__ import annotations

from typing import ClassVar

import mujoco
import numpy as np

from roborew_envs.core.task import FloatArray, Language
from roborew_envs.tasks.gymnasium_bodies import color_geoms, compile_body, load_body
from roborew_envs.tasks.locomotion.runner import EndsAtFall, Runner
from roborew_envs.tasks.locomotion.track import add_runner_cameras, add_track


class Ant(Runner):
    """Gymnasium's Ant, time step and frame skip as in Ant-v5. Progress is the way along the lane,
    of 6 m."""

    id = "roborew/Ant-v0"
    horizon = 200
    finish_x = 6
    stages: ClassVar[tuple[str, ...]] = ("start", "walk", "finished")
    substeps = 5
    action_size = 8
    robot_state = slice(2, None)  # but where it is on the floor
    language = Language(
        instruction="walk forward on all four legs",
        paraphrases=(
            "make the ant walk forward",
            "please crawl straight ahead",
            "move forward on four legs",
            "let the four-legged robot walk ahead",
            "the ant is walking forward",
            "keep walking along the lane",
            "go straight on towards the gate",
            "scuttle forward to the finish line",
            "with all four legs, walk forward",
            "cover ground by walking ahead on four legs",
        ),
        wrong_instructions=(
            "walk backwards",
            "stay where you are",
            "do not walk forward",
            "turn over onto your back",
            "spin on the spot",
            "leave the lane",
            "stand on two legs",
            "hello",
        ),
    )

    def build(self) -> mujoco.MjModel:
        spec = load_body("ant.xml")
        dark = (0.10, 0.10, 0.12)
        violet = (0.30, 0.05, 0.25)
        white = (0.95, 0.95, 0.95)
        color_geoms(spec, {"torso": dark, "aux": violet, "leg": violet, "ankle": white})
        add_track(spec, self.finish_x, width=2.0)
        add_runner_cameras(spec, self.finish_x, away=4.0, up=1.6, tilt=0.35)
        return compile_body(spec)

    def sample_initial_state(self, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        """On its feet, as the body's file asks for, turned a little."""
        # Not qpos0: its ankles, at 0, are outside their ranges.
        qpos = np.array(self.model.numeric("init_qpos").data, np.float64)
        qpos[:2] += rng.uniform(-0.1, 0.1, 2)
        orientation_and_joints = len(qpos) - 3
        qpos[3:] += rng.uniform(-0.1, 0.1, orientation_and_joints)
        # Noise on a quaternion leaves the unit sphere.
        qpos[3:7] /= np.linalg.norm(qpos[3:7])
        qvel = 0.1 * rng.standard_normal(self.model.nv)
        return qpos, qvel

    def uprightness(self, qpos: FloatArray) -> FloatArray:
        """0 at a tilt of 60 degrees, or 2.4 m beside the lane's middle; up to 45 degrees it may
        arrive."""
        _, x, y, _ = qpos[:, 3:7].T
        # Cosine of the tilt, from the torso's quaternion.
        up = 1 - 2 * (x**2 + y**2)
        # cos 60 degrees is 0.5; at 45 degrees a little more than half is left, enough to arrive.
        level = np.clip((up - 0.5) / 0.4, 0.0, 1.0)
        aside = np.abs(qpos[:, 1])
        # Half is lost at 2 m: a body further aside does not arrive.
        in_lane = np.clip((2.4 - aside) / 0.8, 0.0, 1.0)
        return level * in_lane


class AntV1(EndsAtFall, Ant):
    """`Ant` that ends at a fall or beside the lane."""

    id = "roborew/Ant-v1"
    train_timesteps = 1_500_000
