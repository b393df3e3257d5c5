"""OpenGL without a screen: which platform and device draw, one context at a time, and no trace of
it at exit."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from pathlib import Path
from typing import Any, Protocol

from roborew_envs.errors import RenderError

BACKENDS = ("egl", "glfw", "osmesa")


class Context(Protocol):
    """An OpenGL context, current on at most one thread."""

    def make_current(self) -> None:
        """Let the calling thread draw with it."""

    def free(self) -> None:
        """Give it back; called on the thread where it is current."""


def backend() -> str:
    """The OpenGL platform to open: ``MUJOCO_GL`` if set, else EGL on Linux (no screen needed) and
    GLFW elsewhere.

    MuJoCo itself reads the variable once, at its import, and defaults to GLFW; read here at each
    use, an import of `mujoco` before ours cannot decide it.
    """
    default = "egl" if sys.platform == "linux" else "glfw"
    name = os.environ.get("MUJOCO_GL", "").lower() or default
    if name not in BACKENDS:
        raise RenderError(
            f"MUJOCO_GL: got {name!r}, expected one of {', '.join(BACKENDS)}, or unset it."
        )
    return name


def open_context(width: int, height: int, number: int, alone: bool) -> Context:
    """Open a context, not yet current.

    Args:
        width: of the largest frame [pixels].
        height: of the largest frame [pixels].
        number: which of a renderer's contexts this is, from 0; spreads them over what can work side
            by side.
        alone: it is the only one, and a frame is long work: a software driver may use threads of
            its own.
    """
    load_triton_first()
    if backend() == "egl":
        return importlib.import_module("roborew_envs.rendering.egl").EGLContext(number, alone)
    # OSMesa: draw on the calling thread; we bring the threads.
    os.environ.setdefault("LP_NUM_THREADS", "0")
    native: Any = importlib.import_module(f"mujoco.{backend()}")
    return native.GLContext(width, height)


def load_triton_first() -> None:
    """Import triton, where it is installed, before OpenGL; once something else has opened OpenGL it
    is too late.

    Triton (a part of torch's GPU builds) and Mesa's software OpenGL each bring an LLVM of their
    own; triton loaded after Mesa ends the process with a segmentation fault (seen with triton 3.x
    and Mesa's llvmpipe), the other order works. Torch imports triton late, when the first optimiser
    is made.
    """
    if "triton" in sys.modules or importlib.util.find_spec("triton") is None:
        return
    libraries = Path("/proc/self/maps")
    has_loaded_llvm = libraries.exists() and "/libLLVM" in libraries.read_text(errors="replace")
    if not has_loaded_llvm:
        importlib.import_module("triton")
