"""Many frames rendered together, at a stated quality, on a few threads with one OpenGL context each.

``fast`` renders without shadows, reflections, multisampling and fine tessellation, meshes with no
more triangles than the frame can show, and flat surfaces with no more than their light needs;
``medium`` keeps every triangle; ``full`` renders what MuJoCo's own renderer does. In software OpenGL
the first is more than ten times quicker.
Frames are uint8 RGB, row 0 at the top.
"""

from __future__ import annotations

import atexit
import os
import queue
import threading
import weakref
from collections.abc import Callable, Sequence
from functools import partial
from typing import get_args

import mujoco
import numpy as np
from numpy.typing import NDArray

from roborew_envs.errors import RenderError
from roborew_envs.rendering.flat_surfaces import merge_flat_pieces
from roborew_envs.rendering.mesh_simplification import simplify_meshes
from roborew_envs.rendering.opengl import backend
from roborew_envs.rendering.overrides import FieldValues, Overrides, StoredStates
from roborew_envs.rendering.render_context import Quality, RenderContext

__all__ = [
    "MAX_SIDE",
    "FieldValues",
    "Overrides",
    "Quality",
    "RenderError",
    "Renderer",
    "StoredStates",
    "backend",
    "check_frame",
    "default_num_threads",
]

MAX_SIDE = 4096
"""Largest width or height of a frame [pixels]."""
MAX_DEFAULT_THREADS = 8
"""Threads beyond these find no work in frames of the usual sizes."""


def check_frame(width: object, height: object, quality: object) -> None:
    """Refuse a frame that no renderer can draw.

    Raises:
        RenderError: impossible size or quality.
    """
    qualities = get_args(Quality)
    if quality not in qualities:
        raise RenderError(f"quality: got {quality!r}, expected one of {', '.join(qualities)}.")
    for side in (width, height):
        if not isinstance(side, int | np.integer) or not 1 <= side <= MAX_SIDE:
            raise RenderError(
                f"frame size: got {width!r} x {height!r} pixels, expected 1 to {MAX_SIDE} a side, "
                f"whole."
            )


def default_num_threads() -> int:
    """The cores this process may use, at most `MAX_DEFAULT_THREADS`."""
    if hasattr(os, "sched_getaffinity"):
        return min(MAX_DEFAULT_THREADS, len(os.sched_getaffinity(0)))
    return 2


RenderFrame = Callable[[RenderContext, int, NDArray[np.uint8]], None]
"""(context, index of what is rendered, its pixels (H, W, 3) to be written)."""


class Renderer:
    """Renders many states of one model at once.

    >>> camera = "<camera name='c' pos='0 -2 0' xyaxes='1 0 0 0 0 1'/>"
    >>> model = mujoco.MjModel.from_xml_string(
    ...     f"<mujoco><worldbody><light pos='0 0 2'/><geom size='.3'/>{camera}</worldbody></mujoco>")
    >>> with Renderer(model, 32, 24) as renderer:
    ...     renderer.render(np.zeros((5, 0)), "c").shape
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
        """Open one OpenGL context a thread, and see that each draws a known scene rightly.

        Args:
            model: what to render; each thread works on a copy.
            width: of a frame [pixels], 1 to 4096.
            height: of a frame [pixels], 1 to 4096.
            quality: ``fast``, ``medium`` or ``full``.
            threads: default: the cores this process may use, at most 8.

        Raises:
            RenderError: impossible size or quality, no such device, no OpenGL context, or one that
                draws a known scene black, the same everywhere, upside down or in the wrong colours.
        """
        self._threads: list[_RenderThread] = []  # first: `close` reads it if a check below raises
        check_frame(width, height, quality)
        self.width = width
        self.height = height
        self.quality: Quality = quality
        self._cameras = {model.camera(i).name: i for i in range(model.ncam)}
        try:
            self._open_contexts(model, threads or default_num_threads())
        except Exception as error:
            self.close()
            is_known = isinstance(error, RenderError)
            reason = str(error) if is_known else f"{type(error).__name__}: {error}"
            raise RenderError(
                f"cannot draw with MUJOCO_GL={backend()!r}: {reason} Run `roborew doctor`."
            ) from error
        _open_renderers.add(self)
        # Behind the hooks of the OpenGL modules, which would close the display before its contexts.
        atexit.unregister(_close_all)
        atexit.register(_close_all)

    def _open_contexts(self, model: mujoco.MjModel, count: int) -> None:
        alone = count == 1 and self.quality == "full"
        render_model = model
        if self.quality == "fast":
            render_model = merge_flat_pieces(simplify_meshes(model, self.height))
        # One after the other: opening displays at once is not safe in every driver.
        for number in range(count):
            make_context = partial(
                RenderContext, render_model, self.width, self.height, self.quality, number, alone
            )
            thread = _RenderThread(make_context)
            _raise_first([thread.outcomes.get()])
            self._threads.append(thread)

    def render(
        self, qpos: NDArray[np.float64], camera: str, overrides: Overrides | None = None
    ) -> NDArray[np.uint8]:
        """Render one frame for each state; of states that are equal to the last bit, one is
        rendered and copied.

        Args:
            qpos: shape (N, nq), positions of each state.
            camera: name of a camera of the model.
            overrides: values written into the model before each frame.

        Returns:
            shape (N, height, width, 3), uint8 RGB, row 0 at the top.
        """
        if not self._threads:
            raise RenderError("this renderer is closed: open a new one.")
        if camera not in self._cameras:
            raise RenderError(f"unknown camera {camera!r}. Available: {', '.join(self._cameras)}.")
        camera_id = self._cameras[camera]
        states = StoredStates(qpos, overrides or Overrides())
        first_of_kind, kind = unique_states(states)
        render_state = partial(RenderContext.render, states=states, camera=camera_id)
        frames = self.render_each(first_of_kind, render_state)
        return frames if len(frames) == len(kind) else frames[kind]

    def render_each(self, indices: Sequence[int], render_frame: RenderFrame) -> NDArray[np.uint8]:
        """Let the threads render a frame for each index, into its own part of what is returned,
        shape (len(indices), H, W, 3)."""
        frames = np.empty((len(indices), self.height, self.width, 3), np.uint8)
        jobs = list(zip(indices, frames, strict=True))
        threads = self._threads[: max(1, len(jobs))]
        for number, thread in enumerate(threads):
            thread.shares.put((render_frame, jobs[number :: len(threads)]))
        # Every thread answers before any error is raised: no stale answer waits for the next call.
        outcomes = [thread.outcomes.get() for thread in threads]
        if any(outcomes):
            _raise_first(outcomes)
        return frames

    def close(self) -> None:
        """Free every OpenGL context; closing twice is harmless."""
        threads, self._threads = self._threads, []
        outcomes: list[BaseException | None] = []
        for thread in threads:
            thread.shares.put(None)
            outcomes.append(thread.outcomes.get())
        _raise_first(outcomes)

    def __del__(self) -> None:
        self.close()

    def __enter__(self) -> Renderer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


Share = tuple[RenderFrame, list[tuple[int, NDArray[np.uint8]]]]
"""What one thread does in a call: how to render, and for each frame its index and its pixels."""


class _RenderThread:
    """Owns a context, which OpenGL ties to the thread that made it current, and renders with it.

    Attributes:
        shares: what to render next, and how; None closes the context and ends the thread.
        outcomes: one for the making of the context and one for each share, in order: None, or the
            error.
    """

    def __init__(self, make_context: Callable[[], RenderContext]) -> None:
        self.shares: queue.SimpleQueue[Share | None] = queue.SimpleQueue()
        self.outcomes: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
        # A daemon, so that it still lives when `atexit` asks it to close.
        threading.Thread(target=self._run, args=(make_context,), daemon=True).start()

    def _run(self, make_context: Callable[[], RenderContext]) -> None:
        try:
            context = make_context()
        except BaseException as error:  # noqa: BLE001 - handed to the caller
            self.outcomes.put(error)
            return
        self.outcomes.put(None)
        closed = False
        while not closed:
            share = self.shares.get()
            closed = share is None
            try:
                if share is None:
                    context.close()
                else:
                    render_frame, jobs = share
                    for index, frame in jobs:
                        render_frame(context, index, frame)
                self.outcomes.put(None)
            except BaseException as error:  # noqa: BLE001 - handed to the caller
                self.outcomes.put(error)


def unique_states(states: StoredStates) -> tuple[list[int], NDArray[np.int64]]:
    """Find states that are equal to the last bit, for which one frame is enough.

    Returns:
        index of the first state of each kind; kind of each state, shape (N,).
    """
    arrays: list[NDArray[np.float64]] = [states.qpos]
    for _, values in states.overrides.fields.values():
        arrays.append(values)
    if states.overrides.shapes is not None:
        arrays.append(states.overrides.shapes)
    kind_of_bytes: dict[bytes, int] = {}
    first_of_kind: list[int] = []
    kind = np.empty(len(states.qpos), np.int64)
    for i in range(len(kind)):
        state = bytearray()
        for array in arrays:
            state += array[i].tobytes()
        kind[i] = kind_of_bytes.setdefault(bytes(state), len(first_of_kind))
        if kind[i] == len(first_of_kind):
            first_of_kind.append(i)
    return first_of_kind, kind


def _raise_first(errors: Sequence[BaseException | None]) -> None:
    for error in errors:
        if error is not None:
            raise error


_open_renderers: weakref.WeakSet[Renderer] = weakref.WeakSet()


def _close_all() -> None:
    for renderer in list(_open_renderers):
        renderer.close()
