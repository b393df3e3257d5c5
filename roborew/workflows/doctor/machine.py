"""Can this machine do the main job: render, score, record? Each part is tried for real, and a remedy
named.

Drawing is tried in child processes, because a broken OpenGL driver takes its process down with it.
``python -m roborew.workflows.doctor.machine BACKEND`` is such a child.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from roborew.errors import RoborewError
from roborew.types import Clip, Frame
from roborew.workflows.doctor.check import Check

TIMEOUT_SECONDS = 120.0
"""How long a back end may take [s]."""
MAX_REASON_CHARS = 160
MAX_VIDEO_ERROR = 12.0
"""Difference of a picture after h264, of 255: lossy, but no other color."""
VIDEO_REMEDY = "pip install --force-reinstall av"
REMEDIES: Mapping[str, str] = {
    "egl": "apt-get install libegl1 libgl1-mesa-dri, or the GPU driver with its EGL library",
    "osmesa": "apt-get install libosmesa6",
    "glfw": "needs a screen: set DISPLAY, or start with xvfb-run",
}
SCENE = """
<mujoco>
  <visual><headlight ambient="1 1 1" diffuse="0 0 0" specular="0 0 0"/></visual>
  <worldbody>
    <camera name="front" pos="0 -3 0" xyaxes="1 0 0 0 0 1"/>
    <geom type="box" size=".4 .1 .4" pos="-.6 0 .6" rgba="1 0 0 1"/>
    <geom type="box" size=".4 .1 .4" pos=".6 0 .6" rgba="0 1 0 1"/>
    <geom type="box" size=".4 .1 .4" pos="-.6 0 -.6" rgba="0 0 1 1"/>
    <geom type="box" size=".4 .1 .4" pos=".6 0 -.6" rgba="1 1 0 1"/>
  </worldbody>
</mujoco>
"""
"""Red and green above, blue and yellow below, as seen in the picture."""
CORNER_COLORS = {
    "red": (255, 0, 0),
    "green": (0, 255, 0),
    "blue": (0, 0, 255),
    "yellow": (255, 255, 0),
}
ORIENTATIONS: Mapping[tuple[str, ...], str] = {
    ("red", "green", "blue", "yellow"): "upright",
    ("blue", "yellow", "red", "green"): "upside down",
    ("green", "red", "yellow", "blue"): "mirrored",
    ("yellow", "blue", "green", "red"): "upside down and mirrored",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderResult:
    """What a back end rendered."""

    renderer: str
    """The name that the driver gives itself (GL_RENDERER)."""
    orientation: str
    """``"upright"``, or what is wrong with the picture."""
    frames_per_second: float
    """Of a task's scene, 96 x 72 pixels, fast quality, 32 frames together."""


def run_checks() -> list[Check]:
    """Try everything; takes some seconds."""
    results = {name: try_backend(name) for name in REMEDIES}
    return [
        *_drawing_checks(results),
        _check_video(),
        _check_weights(),
        _check_gpu(),
        _check_cores(),
    ]


def try_backend(name: str, timeout: float = TIMEOUT_SECONDS) -> RenderResult | str:
    """Draw with one OpenGL back end in a child process; return what came of it, or the reason of
    the failure."""
    environment = {
        **os.environ,
        "MUJOCO_GL": name,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    # Set by an earlier back end, it would overrule this one.
    environment.pop("PYOPENGL_PLATFORM", None)
    command = [sys.executable, "-m", "roborew.workflows.doctor.machine", name]
    try:
        child = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired:
        return f"no answer within {timeout:.0f} s"
    if child.returncode < 0:
        return f"crashed with signal {-child.returncode}"
    if child.returncode > 0:
        error_lines = child.stderr.strip().splitlines() or ["it said nothing"]
        reason = error_lines[-1].removeprefix("roborew.errors.")
        return f"could not draw ({reason[:MAX_REASON_CHARS]})"
    # Drivers may print lines of their own before.
    result_line = child.stdout.splitlines()[-1]
    return RenderResult(**json.loads(result_line))


def render_scene(name: str) -> RenderResult:
    """Draw the known scene and a task in this process, with the back end that ``MUJOCO_GL`` names
    too."""
    import gymnasium
    import mujoco

    import roborew_envs
    from roborew_envs.rendering.renderer import Renderer

    context = importlib.import_module(f"mujoco.{name}").GLContext(64, 64)
    context.make_current()
    gl = cast(Any, importlib.import_module("OpenGL.GL"))  # after MuJoCo has chosen the platform
    renderer = cast("bytes | None", gl.glGetString(gl.GL_RENDERER))
    if renderer is None:
        raise RoborewError("the library is there, but gave no usable context")
    # The renderer below opens contexts of its own; this one only asked for the driver's name.
    context.free()
    model = cast(Any, mujoco.MjModel).from_xml_string(SCENE)
    with Renderer(model, 96, 96, "fast", threads=1) as scene_renderer:
        frame = scene_renderer.render(np.zeros((1, model.nq)), "front")[0]
    task = next(iter(roborew_envs.TASKS))
    env = gymnasium.make_vec(
        task, 32, vectorization_mode="vector_entry_point", render_mode="rgb_array"
    )
    env.reset(seed=0)
    speed = _frames_per_second(env.unwrapped)
    env.close()
    return RenderResult(
        renderer=renderer.decode(), orientation=classify_orientation(frame), frames_per_second=speed
    )


def classify_orientation(frame: Frame) -> str:
    """Say how the known scene stands in a picture of shape (H, W, 3).

    >>> classify_orientation(np.zeros((8, 8, 3), np.uint8))
    'black'
    """
    if frame.max() < 16:
        return "black"
    top = frame.shape[0] // 4
    left = frame.shape[1] // 4
    bottom = 3 * top
    right = 3 * left
    # The middle of each quarter: blended edges say nothing.
    spots = [(top, left), (top, right), (bottom, left), (bottom, right)]
    colors = tuple(_nearest_color(frame[spot]) for spot in spots)
    return ORIENTATIONS.get(colors, f"not the scene that was asked for: {', '.join(colors)}")


def _nearest_color(pixel: NDArray[np.uint8]) -> str:
    """The name in `CORNER_COLORS` of the color closest to a pixel, as drivers differ in shading."""
    rgb = pixel.astype(float)

    def distance(name: str) -> float:
        difference = rgb - CORNER_COLORS[name]
        return float(np.abs(difference).sum())

    return min(CORNER_COLORS, key=distance)


def _frames_per_second(env: Any, seconds: float = 0.5) -> float:
    env.render_frames()  # the first frames open the contexts
    begun = perf_counter()
    frames = 0
    while perf_counter() - begun < seconds:
        frames += len(env.render_frames())
    return frames / (perf_counter() - begun)


def _drawing_checks(results: Mapping[str, RenderResult | str]) -> list[Check]:
    try:
        from roborew_envs.rendering.renderer import backend

        chosen = backend()
    except ValueError as error:
        # RenderError, which the import raises for a back end that MuJoCo does not know.
        return [
            Check(
                name="drawing", ok=False, needed=True, finding=str(error), remedy="unset MUJOCO_GL"
            )
        ]
    working = [name for name, result in results.items() if _is_upright(result)]
    return [_drawing_check(name, result, chosen, working) for name, result in results.items()]


def _is_upright(result: RenderResult | str) -> bool:
    return isinstance(result, RenderResult) and result.orientation == "upright"


def _drawing_check(
    name: str, result: RenderResult | str, chosen: str, working: Sequence[str]
) -> Check:
    """One back end: only the chosen one must work."""
    is_chosen = name == chosen
    ok = name in working
    remedy = "" if ok else REMEDIES[name]
    if is_chosen and not ok and working:
        # Another one that works here is less to do than an installation.
        remedy = f"export MUJOCO_GL={working[0]}, which works here; or {remedy}"
    label = f"drawing: {name}"
    if is_chosen:
        label += " (in use)"
    finding = _describe(result)
    return Check(name=label, ok=ok, needed=is_chosen, finding=finding, remedy=remedy)


def _describe(result: RenderResult | str) -> str:
    if isinstance(result, str):
        return result
    return f"{result.orientation}, {result.frames_per_second:,.0f} frames/s, {result.renderer}"


def _check_video() -> Check:
    """Eight gray pictures, through h264 and back."""
    name = "video: h264"
    levels = np.linspace(20, 235, 8).astype(np.uint8)
    frames = np.repeat(levels, 64 * 48 * 3).reshape(8, 48, 64, 3)
    try:
        from roborew.data import read_video, write_video

        with tempfile.TemporaryDirectory() as folder:
            decoded = read_video(write_video(Path(folder) / "gray.mp4", frames, fps=10))
    except (ImportError, OSError, ValueError, RoborewError) as error:
        reason = f"{type(error).__name__}: {error}"
        return Check(name=name, ok=False, needed=True, finding=reason, remedy=VIDEO_REMEDY)
    max_error = 255.0
    if decoded.shape == frames.shape:
        max_error = float(np.abs(decoded.astype(float) - frames).max())
    ok = max_error < MAX_VIDEO_ERROR
    finding = f"written and read back, at most {max_error:.0f} of 255 off"
    remedy = "" if ok else VIDEO_REMEDY
    return Check(name=name, ok=ok, needed=True, finding=finding, remedy=remedy)


def _check_weights() -> Check:
    """The shipped reward scores a picture of noise."""
    from roborew.registry import rewards

    noise = np.random.default_rng(0).integers(0, 255, (1, 72, 96, 3), np.uint8)
    try:
        score = rewards.load("mini")().score([Clip(frames=noise, instruction="open the drawer")])[0]
    except RoborewError as error:
        remedy = "install roborew anew: the weights belong to the package"
        return Check(name="reward: mini", ok=False, needed=True, finding=str(error), remedy=remedy)
    finding = f"weights load and score ({score.value[0]:.2f} for noise)"
    return Check(name="reward: mini", ok=bool(score.valid[0]), needed=True, finding=finding)


def _check_gpu() -> Check:
    import torch

    ok = torch.cuda.is_available()
    device = "none that torch can use; nothing here needs one"
    if ok:
        device = torch.cuda.get_device_name(0)
    finding = f"{device} (torch {torch.__version__})"
    return Check(name="GPU", ok=ok, needed=False, finding=finding)


def _check_cores() -> Check:
    # A container may own fewer cores than the machine has.
    has_affinity = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    enough = cores >= 2
    return Check(
        name="CPU cores",
        ok=enough,
        needed=False,
        finding=f"{cores} for this process",
        remedy="" if enough else "two or more",
    )


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(render_scene(sys.argv[1]))) + "\n")
