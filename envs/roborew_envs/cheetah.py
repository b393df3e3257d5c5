"""Run forward: a two-legged runner on a track of coloured metres, done when its body is beyond the finish line."""

from __future__ import annotations

import colorsys
from typing import ClassVar

import mujoco
import numpy as np
from numpy.typing import NDArray

from roborew_envs.bodies import add_scenery, colour, compile_body, load_body
from roborew_envs.task import BoolArray, FloatArray, IntArray, Task, Words

FINISH = 10
"""Place of the finish line along x, in metres from the start; one colour of the track a metre."""
UNDER_WAY = 1.0
"""Distance from which the stage is `run` [m]."""
_BEHIND = 1.1
"""Distance of the coloured fence from the track's middle [m]."""


def _add_zone(spec: mujoco.MjSpec, name: str, start: float, stop: float, rgb: tuple[float, float, float]) -> None:
    """One stretch of lane and fence in a colour of its own, ended by a white post."""
    middle, half = (start + stop) / 2, (stop - start) / 2
    add_scenery(spec, f"{name}_lane", (middle, 0, 0.001), (half, 0.55, 0.001), rgb)
    add_scenery(spec, f"{name}_fence", (middle, _BEHIND, 0.55), (half, 0.02, 0.55), rgb)
    add_scenery(spec, f"{name}_post", (stop, _BEHIND - 0.03, 0.6), (0.025, 0.02, 0.6), (1, 1, 1))


def _add_finish(spec: mujoco.MjSpec) -> None:
    """A chequered line and a gate whose beam hangs over it."""
    for row in range(2):
        for column in range(8):
            shade = float((row + column) % 2)
            place = (FINISH + 0.09 + 0.18 * row, -0.63 + 0.18 * column, 0.004)
            add_scenery(spec, f"line_{row}_{column}", place, (0.09, 0.09, 0.002), (shade,) * 3)
            beam = (FINISH - 0.02 * (row + 1) + 0.03, -0.98 + 0.28 * column, 1.40 + 0.14 * row)
            add_scenery(spec, f"beam_{row}_{column}", beam, (0.05, 0.14, 0.07), (shade,) * 3)
    for side in (-1, 1):
        add_scenery(spec, f"gate_{side}", (FINISH, side * (_BEHIND - 0.05), 0.75), (0.05, 0.04, 0.75), (0.85, 0.1, 0.1))


def _add_cameras(spec: mujoco.MjSpec) -> None:
    """`side` runs along; `stand` turns after the body from the middle of the track; `chase` follows behind."""
    along = mujoco.mjtCamLight.mjCAMLIGHT_TRACKCOM
    torso = spec.body("torso")
    torso.add_camera(name="side", mode=along, pos=(0.25, -3.6, 0.35), xyaxes=(1, 0, 0, 0, 0.10, 1), fovy=42)
    torso.add_camera(name="chase", mode=along, pos=(-3.0, -1.6, 1.0), xyaxes=(0.5, -1, 0, 0.3, 0.15, 1), fovy=45)
    spec.worldbody.add_camera(
        name="stand",
        mode=mujoco.mjtCamLight.mjCAMLIGHT_TARGETBODYCOM,
        targetbody="torso",
        pos=(FINISH / 2, -7.0, 2.0),
        fovy=32,
    )


class Cheetah(Task):
    """Gymnasium's HalfCheetah, its time step and frame skip as in HalfCheetah-v5. Progress is the way run, of 10 m."""

    id = "roborew/Cheetah-v0"
    cameras: ClassVar[tuple[str, ...]] = ("side", "stand", "chase")
    horizon = 200
    stages: ClassVar[tuple[str, ...]] = ("start", "run", "finished")
    substeps = 5
    action_size = 6
    words = Words(
        instruction="run forward",
        paraphrases=(
            "run forwards as fast as you can",
            "please sprint forward",
            "make the cheetah run forward",
            "gallop ahead at full speed",
            "keep running forward",
            "the cheetah is running forward",
            "like the wind, run forward",
            "set off and run forward",
            "run forward and gain speed",
            "let your legs run forward",
            "kindly run straight ahead",
            "cover ground by running forward quickly",
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
        colour(spec, {"bshin": (0.30, 0.05, 0.25), "fshin": (0.05, 0.10, 0.35), "foot": (0.95, 0.95, 0.95)})
        colour(spec, {"torso": (0.10, 0.10, 0.12), "head": (0.10, 0.10, 0.12), "thigh": (0.10, 0.10, 0.12)})
        _add_zone(spec, "behind", -20, 0, (0.6, 0.6, 0.6))
        for metre in range(FINISH):
            _add_zone(spec, f"metre{metre}", metre, metre + 1, colorsys.hsv_to_rgb(0.9 * metre / FINISH, 0.75, 0.95))
        _add_zone(spec, "beyond", FINISH, FINISH + 60, (0.92, 0.92, 0.88))
        _add_finish(spec)
        _add_cameras(spec)
        return compile_body(spec)

    def sample(self, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        """Near the model's reference pose on the start line, as HalfCheetah-v5 starts."""
        qpos = self.model.qpos0 + rng.uniform(-0.1, 0.1, self.model.nq)
        return qpos, 0.1 * rng.standard_normal(self.model.nv)

    def controls(self, qpos: FloatArray, actions: FloatArray) -> FloatArray:
        return actions

    def observe(self, qpos: FloatArray, qvel: FloatArray) -> NDArray[np.float32]:
        """Place on the track in units of its length, then the rest of qpos and qvel as in HalfCheetah-v5."""
        observation = np.concatenate([qpos, qvel], axis=1, dtype=np.float32)
        observation[:, 0] /= FINISH
        return observation

    def success(self, qpos: FloatArray, qvel: FloatArray) -> BoolArray:
        return qpos[:, 0] >= FINISH

    def partial_progress(self, qpos: FloatArray, qvel: FloatArray) -> FloatArray:
        return qpos[:, 0] / FINISH

    def partial_stage(self, qpos: FloatArray, qvel: FloatArray) -> IntArray:
        return (qpos[:, 0] >= UNDER_WAY).astype(np.int64)
