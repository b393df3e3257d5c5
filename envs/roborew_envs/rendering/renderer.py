"""Many frames drawn together, at a stated quality, on a few threads with one OpenGL context each.

``fast`` draws without shadows, reflections, multisampling and fine tessellation; ``full`` draws
what MuJoCo's own renderer draws. In software OpenGL the first is more than ten times quicker.
Frames are uint8 RGB, row 0 at the top.
"""

from __future__ import annotations

import atexit
import os
import weakref
from collections.abc import Callable
from typing import get_args

import mujoco
import numpy as np
from numpy.typing import NDArray

from roborew_envs.errors import RenderError
from roborew_envs.rendering.opengl import backend
from roborew_envs.rendering.overrides import FieldValues, Overrides, StoredStates, unique_states
from roborew_envs.rendering.render_context import Quality, RenderContext
from roborew_envs.rendering.render_thread import RenderCall, RenderThread, raise_first

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


def check_frame(width: object, height: object, quality: object) -> None:
    """Refuse a frame that no renderer can draw.

    Raises:
        RenderError: impossible size or quality.
    """
    if quality not in get_args(Quality):
        raise RenderError(
            f"quality: got {quality!r}, expected one of {', '.join(get_args(Quality))}."
        )
    if not all(
        isinstance(side, int | np.integer) and 1 <= side <= MAX_SIDE for side in (width, height)
    ):
        raise RenderError(
            f"frame size: got {width!r} x {height!r} pixels, expected 1 to {MAX_SIDE} a side, "
            f"whole."
        )


def default_num_threads() -> int:
    """The cores this process may use, at most 8."""
    return min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2)


class Renderer:
    """Draws many states of one model at once.

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
            model: what to draw; each thread works on a copy.
            width: of a frame [pixels], 1 to 4096.
            height: of a frame [pixels], 1 to 4096.
            quality: ``fast`` or ``full``.
            threads: default: the cores this process may use, at most 8.

        Raises:
            RenderError: impossible size or quality, no such device, no OpenGL context, or one that
                draws a known scene black, the same everywhere, upside down or in the wrong colours.
        """
        self._threads: list[RenderThread] = []
        check_frame(width, height, quality)
        self.width, self.height, self.quality = width, height, quality
        self._cameras = {model.camera(i).name: i for i in range(model.ncam)}
        count = threads or default_num_threads()
        alone = count == 1 and quality == "full"
        try:
            for number in range(
                count
            ):  # one after the other: opening displays at once is not safe in every driver
                thread = RenderThread(
                    lambda n=number: RenderContext(model, width, height, quality, n, alone)
                )
                raise_first([thread.wait()])
                self._threads.append(thread)
        except Exception as error:
            self.close()
            reason = (
                str(error) if isinstance(error, RenderError) else f"{type(error).__name__}: {error}"
            )
            raise RenderError(
                f"cannot draw with MUJOCO_GL={backend()!r}: {reason} Run `roborew doctor`."
            ) from error
        _open_renderers.add(self)
        atexit.unregister(
            _close_all
        )  # moved behind the hooks of the OpenGL modules, which would close the display
        atexit.register(_close_all)

    def render(
        self, qpos: NDArray[np.float64], camera: str, overrides: Overrides | None = None
    ) -> NDArray[np.uint8]:
        """Draw one frame for each state; of states that are equal to the last bit, one is drawn and
        copied.

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
        states = StoredStates(qpos, overrides or Overrides())
        first, which = unique_states(states)
        if len(first) == len(states):
            return self._draw(states, self._cameras[camera])
        return self._draw(states[first], self._cameras[camera])[which]

    def _draw(self, states: StoredStates, camera: int) -> NDArray[np.uint8]:
        return self.render_each(
            len(states), lambda context, i, frame: context.render(states[i], camera, frame)
        )

    def render_each(
        self, count: int, paint: Callable[[RenderContext, int, NDArray[np.uint8]], None]
    ) -> NDArray[np.uint8]:
        """Let the threads paint ``count`` frames, each into its own part, (H, W, 3), of what is
        returned."""
        frames = np.empty((count, self.height, self.width, 3), np.uint8)
        busy = self._threads[: max(1, min(len(self._threads), count))]

        def share_of(thread: int) -> RenderCall:
            def call(context: RenderContext) -> None:
                for i in range(thread, count, len(busy)):
                    paint(context, i, frames[i])

            return call

        for k, thread in enumerate(busy):
            thread.send(share_of(k))
        raise_first([thread.wait() for thread in busy])
        return frames

    def close(self) -> None:
        """Free every OpenGL context; closing twice is harmless."""
        threads, self._threads = self._threads, []
        raise_first([thread.stop() for thread in threads])

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
