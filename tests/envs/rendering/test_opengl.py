"""Contexts: on the device that was asked for, proven by a known scene, none left behind, silent at
exit."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import pytest

from roborew_envs import Task, make_task
from roborew_envs.rendering import render_context
from roborew_envs.rendering.opengl import backend
from roborew_envs.rendering.render_context import RenderContext, canary_fault
from roborew_envs.rendering.renderer import Quality, Renderer, RenderError

with_egl = pytest.mark.skipif(backend() != "egl", reason="another OpenGL platform is in use")

RED, BLUE = np.array([200, 0, 0], np.uint8), np.array([0, 0, 200], np.uint8)


@pytest.fixture(scope="module")
def model() -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_string(
        "<mujoco><worldbody><camera name='c'/></worldbody></mujoco>"
    )


def picture(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    return np.concatenate([np.broadcast_to(half, (4, 8, 3)) for half in (top, bottom)])


def test_the_canary_tells_what_is_wrong() -> None:
    assert canary_fault(picture(RED, BLUE)) is None
    assert canary_fault(picture(RED, BLUE) // 20) == "black"
    assert canary_fault(picture(RED, RED)) == "the same everywhere"
    assert canary_fault(picture(BLUE, RED)) == "upside down"
    assert canary_fault(picture(RED[::-1], BLUE[::-1])) == "upside down", (
        "swapped channels look the same"
    )
    assert canary_fault(picture(RED, RED[[1, 0, 2]])) == "in the wrong colours"


@pytest.mark.parametrize("size", [(96, 72), (1, 1)])
def test_a_renderer_that_turns_the_picture_over_is_refused(
    model: mujoco.MjModel, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    Renderer(model, *size, threads=1).close()

    def read(buffer: np.ndarray, *_: object) -> None:
        buffer[:] = picture(RED, BLUE)  # row 0 should be the lowest

    monkeypatch.setattr(render_context.mujoco, "mjr_readPixels", read)
    before = set(threading.enumerate())
    with pytest.raises(RenderError, match=r"draws a known scene upside down.*`roborew doctor`"):
        Renderer(model, *size, threads=1)
    for thread in set(threading.enumerate()) - before:
        thread.join(timeout=10)
        assert not thread.is_alive()


def test_fifty_renderers_leave_no_context_and_no_thread(
    model: mujoco.MjModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[RenderContext] = []
    freed: list[RenderContext] = []
    close = RenderContext.close
    monkeypatch.setattr(RenderContext, "close", lambda self: (close(self), freed.append(self))[0])
    prepare = RenderContext._prepare
    monkeypatch.setattr(
        RenderContext, "_prepare", lambda self, *a: (prepare(self, *a), opened.append(self))[0]
    )
    threads, files = set(threading.enumerate()), _open_files()
    for _ in range(50):
        with Renderer(model, 16, 16, threads=1) as renderer:
            renderer.render(np.zeros((1, 0)), "c")
    assert len(opened) == 50 and set(map(id, freed)) == set(map(id, opened))
    for thread in set(threading.enumerate()) - threads:
        thread.join(timeout=10)
        assert not thread.is_alive()
    assert _open_files() <= files


@with_egl
def test_a_context_is_used_again_and_draws_what_a_new_one_does() -> None:
    egl = importlib.import_module("roborew_envs.rendering.egl")
    push, humanoid = make_task("roborew/Push-v0"), make_task("roborew/HumanoidStand-v0")

    def draw(task: Task, quality: Quality, side: int) -> np.ndarray:
        qpos = task.sample_initial_state(np.random.default_rng(0))[0][None]
        with Renderer(task.model, side, side, quality, threads=2) as renderer:
            return renderer.render(qpos, task.cameras[0])

    egl._destroy_spares()
    first = draw(push, "fast", 48)
    contexts = _spare_contexts(egl)
    # Another world, with shadows and a larger picture, leaves all that it can behind.
    draw(humanoid, "full", 200)
    np.testing.assert_array_equal(draw(push, "fast", 48), first)
    assert len(contexts) == 2 and _spare_contexts(egl) == contexts


def _spare_contexts(egl: Any) -> set[int]:
    return {id(context) for _, contexts in egl._spares.values() for context in contexts}


def test_a_forked_process_draws_with_contexts_of_its_own() -> None:
    code = f"""{LEFT_OPEN}
import os
ours().close()
child = os.fork()
if child == 0:
    ours().close()
    os._exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
ours().close()
"""
    # Python warns of every fork of a process that has threads.
    ended = run(code, warnings="ignore")
    assert (ended.returncode, ended.stderr) == (0, "")


def _open_files() -> int:
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.exists() else 0


def run(code: str, warnings: str = "error", **environment: str) -> subprocess.CompletedProcess[str]:
    settings = (
        os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "MUJOCO_GL": backend()} | environment
    )
    command = [sys.executable, "-W", warnings, "-c", code]
    return subprocess.run(
        command, env=settings, capture_output=True, text=True, timeout=60, check=False
    )


LEFT_OPEN = """
import mujoco, numpy as np
from roborew_envs.rendering.renderer import Renderer
model = mujoco.MjModel.from_xml_string("<mujoco><worldbody><camera name='c'/></worldbody></mujoco>")
def ours():
    renderer = Renderer(model, 16, 16)
    renderer.render(np.zeros((3, 0)), "c")
    return renderer
def theirs():
    renderer = mujoco.Renderer(model, 16, 16)
    renderer.update_scene(mujoco.MjData(model), "c")
    renderer.render()
    return renderer
"""


@pytest.mark.parametrize(
    "order", ["a = ours()", "a = ours(); b = theirs()", "a = theirs(); b = ours(); a.render()"]
)
def test_a_process_that_forgot_to_close_ends_without_a_word(order: str) -> None:
    ended = run(f"{LEFT_OPEN}{order}")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


@pytest.mark.skipif(
    importlib.util.find_spec("triton") is None, reason="no triton: a build of torch for CPUs alone"
)
def test_torch_can_learn_after_a_frame_was_drawn() -> None:
    """Triton and software OpenGL bring an LLVM each; loaded in the wrong order they end the
    process."""
    learn = "import torch; torch.optim.Adam([torch.zeros(1, requires_grad=True)])"
    ended = run(f"{LEFT_OPEN}ours()\n{learn}")
    assert (ended.returncode, ended.stderr) == (0, "")


@with_egl
@pytest.mark.parametrize("wanted", ["99", "-1", "cuda"])
def test_a_device_that_egl_does_not_have_is_refused_with_those_it_has(wanted: str) -> None:
    ended = run(f"{LEFT_OPEN}ours()", MUJOCO_EGL_DEVICE_ID=wanted)
    (message,) = [
        line
        for line in ended.stderr.splitlines()
        if line.startswith("roborew_envs.errors.RenderError")
    ][-1:]
    assert f"MUJOCO_EGL_DEVICE_ID: got {wanted!r}, expected a number of EGL's" in message
    assert "device(s): 0" in message


@with_egl
def test_the_device_is_counted_as_egl_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """MuJoCo takes the number for CUDA's where the driver tells one, which is another order."""
    from roborew_envs.rendering import egl

    monkeypatch.setattr(egl, "devices", lambda: ["second gpu", "first gpu", "software"])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,0")
    assert egl.chosen_devices() == ["second gpu", "first gpu", "software"]
    monkeypatch.setenv(egl.DEVICE, "1")
    assert egl.chosen_devices() == ["first gpu"]
