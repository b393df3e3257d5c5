"""Many frames drawn together, at a stated quality, on a few threads with one OpenGL context each.

``fast`` draws without shadows, reflections, multisampling and fine tessellation; ``full`` draws what MuJoCo's own
renderer draws. In software OpenGL the first is more than ten times quicker. Frames are uint8 RGB, row 0 at the top.
"""

from __future__ import annotations

import atexit
import copy
import importlib
import importlib.util
import os
import queue
import sys
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import mujoco
import numpy as np
from numpy.typing import NDArray

Quality = Literal["fast", "full"]
FieldValues = tuple[NDArray[np.int64], NDArray[np.float64]]
BACKENDS = ("egl", "glfw", "osmesa")
MAX_SIDE = 4096
"""Largest width or height of a frame [pixels]."""


class DrawingError(ValueError):
    """A frame cannot be drawn as asked: unknown camera or quality, impossible size, no OpenGL."""


def backend() -> str:
    """The OpenGL platform to open: ``MUJOCO_GL`` if set, else EGL on Linux (no screen needed) and GLFW elsewhere.

    MuJoCo itself reads the variable once, at its import, and defaults to GLFW; read here at each use, an import of
    `mujoco` before ours cannot decide it.
    """
    name = os.environ.get("MUJOCO_GL", "").lower() or ("egl" if sys.platform == "linux" else "glfw")
    if name not in BACKENDS:
        raise DrawingError(f"MUJOCO_GL: got {name!r}, expected one of {', '.join(BACKENDS)}, or unset it.")
    return name


def check_frame(width: int, height: int, quality: Quality) -> None:
    """Refuse a frame that no renderer can draw.

    Raises:
        DrawingError: impossible size or quality.
    """
    if quality not in get_args(Quality):
        raise DrawingError(f"quality: got {quality!r}, expected one of {', '.join(get_args(Quality))}.")
    if not (1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE):
        raise DrawingError(f"frame size: got {width} x {height} pixels, expected 1 to {MAX_SIDE} a side.")


def _open_context(width: int, height: int) -> Any:
    _load_triton_first()
    # Software OpenGL (llvmpipe) reads this at its first context: 0 draws on the calling thread; we bring the threads.
    os.environ.setdefault("LP_NUM_THREADS", "0")
    return importlib.import_module(f"mujoco.{backend()}").GLContext(width, height)


def _load_triton_first() -> None:
    """Import triton, where it is installed, before OpenGL; once something else has opened OpenGL it is too late.

    Triton (a part of torch's GPU builds) and Mesa's software OpenGL each bring an LLVM of their own; triton loaded
    after Mesa ends the process with a segmentation fault (seen with triton 3.x and Mesa's llvmpipe), the other order
    works. Torch imports triton late, when the first optimiser is made.
    """
    if f"mujoco.{backend()}" not in sys.modules and importlib.util.find_spec("triton") is not None:
        importlib.import_module("triton")


@dataclass(frozen=True, slots=True)
class Overrides:
    """Per-frame values of model fields: what a state paints, and appearance shifts.

    Attributes:
        fields: name of an `mujoco.MjModel` array -> (indices (K,), values (N, K, ...)), written before frame n.
    """

    fields: Mapping[str, FieldValues] = field(default_factory=dict[str, FieldValues])

    def merged(self, other: Overrides) -> Overrides:
        """Both sets of overrides; where a field stands in both, ``other`` is written last."""
        fields = dict(self.fields)
        for name, (indices, values) in other.fields.items():
            if name in fields:
                first, first_values = fields[name]
                kept = ~np.isin(first, indices)
                indices = np.concatenate([first[kept], indices])
                values = np.concatenate([first_values[:, kept], values], axis=1)
            fields[name] = (indices, values)
        return Overrides(fields)


class _Painter:
    """One thread's OpenGL context, scene and private model copy. Every method runs on that thread."""

    def __init__(self, model: mujoco.MjModel, width: int, height: int, quality: Quality) -> None:
        self.model = copy.deepcopy(model)
        self.model.vis.global_.offwidth = width
        self.model.vis.global_.offheight = height
        if quality == "fast":
            self.model.vis.quality.offsamples = 0
            self.model.vis.quality.shadowsize = 0
            self.model.vis.quality.numslices = min(self.model.vis.quality.numslices, 12)
            self.model.vis.quality.numstacks = min(self.model.vis.quality.numstacks, 8)
        self.gl = _open_context(width, height)
        self.gl.make_current()
        self.data = mujoco.MjData(self.model)
        self.scene = mujoco.MjvScene(self.model, maxgeom=1000)
        for flag in (mujoco.mjtRndFlag.mjRND_SHADOW, mujoco.mjtRndFlag.mjRND_REFLECTION):
            self.scene.flags[flag] = int(quality == "full")
        self.context = mujoco.MjrContext(self.model, mujoco.mjtFontScale.mjFONTSCALE_150)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self.context)
        self.option = mujoco.MjvOption()
        self.camera = mujoco.MjvCamera()
        self.camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
        self.rect = mujoco.MjrRect(0, 0, width, height)
        self.buffer = np.empty((height, width, 3), np.uint8)

    def draw(self, qpos: NDArray[np.float64], camera: int, fields: Mapping[str, Any], frame: NDArray[np.uint8]) -> None:
        before = self._write(fields)
        try:
            self._draw(qpos, camera, frame)
        finally:
            self._write(before)

    def _write(self, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """Write model fields; returns what stood there."""
        before = {name: (indices, getattr(self.model, name)[indices]) for name, (indices, _) in fields.items()}
        for name, (indices, values) in fields.items():
            getattr(self.model, name)[indices] = values
        return before

    def _draw(self, qpos: NDArray[np.float64], camera: int, frame: NDArray[np.uint8]) -> None:
        self.data.qpos[:] = qpos
        mujoco.mj_kinematics(self.model, self.data)
        mujoco.mj_comPos(self.model, self.data)
        mujoco.mj_camlight(self.model, self.data)
        self.camera.fixedcamid = camera
        mujoco.mjv_updateScene(
            self.model, self.data, self.option, None, self.camera, mujoco.mjtCatBit.mjCAT_ALL, self.scene
        )
        mujoco.mjr_render(self.rect, self.scene, self.context)
        mujoco.mjr_readPixels(self.buffer, None, self.rect, self.context)
        frame[:] = self.buffer[::-1]

    def close(self) -> None:
        self.gl.make_current()
        self.context.free()
        self.gl.free()


class _Worker:
    """A daemon thread that owns one painter. Daemon, so that it still lives when `atexit` asks it to close."""

    def __init__(self, make: Callable[[], _Painter]) -> None:
        self._calls: queue.SimpleQueue[Callable[[_Painter], None] | None] = queue.SimpleQueue()
        self._replies: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
        threading.Thread(target=self._run, args=(make,), daemon=True).start()

    def _run(self, make: Callable[[], _Painter]) -> None:
        try:
            painter = make()
        except BaseException as error:  # noqa: BLE001 - handed to the caller by `wait`
            self._replies.put(error)
            return
        self._replies.put(None)
        closed = False
        while not closed:
            call = self._calls.get()
            closed = call is None
            try:
                (call or _Painter.close)(painter)
                self._replies.put(None)
            except BaseException as error:  # noqa: BLE001 - handed to the caller by `wait`
                self._replies.put(error)

    def send(self, call: Callable[[_Painter], None] | None) -> None:
        self._calls.put(call)

    def wait(self) -> BaseException | None:
        """The error of the oldest call not waited for, if it had one."""
        return self._replies.get()

    def stop(self) -> BaseException | None:
        """Close the painter and end the thread; the error, if it had one."""
        self.send(None)
        return self.wait()


def _raise_first(errors: Sequence[BaseException | None]) -> None:
    """Called once every worker has answered, so that no stale answer waits for the next call."""
    for error in errors:
        if error is not None:
            raise error


class Renderer:
    """Draws many states of one model at once.

    >>> camera = "<camera name='c' pos='0 -2 0' xyaxes='1 0 0 0 0 1'/>"
    >>> model = mujoco.MjModel.from_xml_string(
    ...     f"<mujoco><worldbody><light pos='0 0 2'/><geom size='.3'/>{camera}</worldbody></mujoco>")
    >>> with Renderer(model, 32, 24) as renderer:
    ...     renderer.draw(np.zeros((5, 0)), "c").shape
    (5, 24, 32, 3)
    """

    def __init__(
        self,
        model: mujoco.MjModel,
        width: int = 96,
        height: int = 72,
        quality: Quality = "fast",
        threads: int | None = None,
    ) -> None:
        """Open one OpenGL context a thread.

        Args:
            model: what to draw; each thread works on a copy.
            width: of a frame [pixels], 1 to 4096.
            height: of a frame [pixels], 1 to 4096.
            quality: ``fast`` or ``full``.
            threads: default: the cores this process may use, at most 8.

        Raises:
            DrawingError: impossible size or quality, or no OpenGL context could be opened.
        """
        self._workers: list[_Worker] = []
        check_frame(width, height, quality)
        self.width, self.height, self.quality = width, height, quality
        self._cameras = {model.camera(i).name: i for i in range(model.ncam)}
        count = threads or min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2)
        try:
            for _ in range(count):  # one after the other: opening displays at once is not safe in every driver
                worker = _Worker(lambda: _Painter(model, width, height, quality))
                _raise_first([worker.wait()])
                self._workers.append(worker)
        except Exception as error:
            self.close()
            raise DrawingError(
                f"no OpenGL context with MUJOCO_GL={backend()!r} ({type(error).__name__}: {error}). "
                "Run `roborew doctor`."
            ) from error
        _open_renderers.add(self)
        atexit.unregister(_close_all)  # moved behind the hooks of the OpenGL modules, which would close the display
        atexit.register(_close_all)

    def draw(self, qpos: NDArray[np.float64], camera: str, overrides: Overrides | None = None) -> NDArray[np.uint8]:
        """Draw one frame for each state.

        Args:
            qpos: shape (N, nq), positions of each state.
            camera: name of a camera of the model.
            overrides: values written into the model before each frame.

        Returns:
            shape (N, height, width, 3), uint8 RGB, row 0 at the top.
        """
        if not self._workers:
            raise DrawingError("this renderer is closed: open a new one.")
        if camera not in self._cameras:
            raise DrawingError(f"unknown camera {camera!r}. Available: {', '.join(self._cameras)}.")
        index, fields = self._cameras[camera], (overrides or Overrides()).fields
        frames = np.empty((len(qpos), self.height, self.width, 3), np.uint8)

        def draw_share(share: range) -> Callable[[_Painter], None]:
            def call(painter: _Painter) -> None:
                for i in share:
                    painter.draw(qpos[i], index, {k: (ids, v[i]) for k, (ids, v) in fields.items()}, frames[i])

            return call

        busy = self._workers[: max(1, min(len(self._workers), len(qpos)))]
        for k, worker in enumerate(busy):
            worker.send(draw_share(range(k, len(qpos), len(busy))))
        _raise_first([worker.wait() for worker in busy])
        return frames

    def close(self) -> None:
        """Free every OpenGL context; closing twice is harmless."""
        workers, self._workers = self._workers, []
        _raise_first([worker.stop() for worker in workers])

    def __del__(self) -> None:
        self.close()

    def __enter__(self) -> Renderer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


_open_renderers: weakref.WeakSet[Renderer] = weakref.WeakSet()


def _close_all() -> None:
    for renderer in list(_open_renderers):
        renderer.close()
