"""EGL contexts on a device chosen by EGL's own number, spread over displays that do not wait for
each other.

`mujoco.egl` reads ``MUJOCO_EGL_DEVICE_ID`` as CUDA's number where the driver tells one, and knows a
single display. In Mesa's software driver the contexts of one display wait for each other while they
fill pixels; on two displays two threads draw nearly twice as much (measured: 1.55 times at 224 x
224 `fast`, 1.9 times at `full`).
"""

from __future__ import annotations

import atexit
import ctypes
import os
from functools import cache
from importlib import import_module
from typing import Any

# Before OpenGL: it finds the library and the extensions, and tells PyOpenGL to use EGL.
from mujoco import egl as mujoco_egl
from OpenGL import error as gl_error

from roborew_envs.errors import RenderError

DEVICE = "MUJOCO_EGL_DEVICE_ID"
_SURFACELESS = 0x31DD  # EGL_PLATFORM_SURFACELESS_MESA
_SOFTWARE = b"EGL_MESA_device_software"
_MESA_THREADS = "LP_NUM_THREADS"

_native: Any = mujoco_egl
_egl = _native.EGL


def devices() -> list[Any]:
    """EGL's devices in EGL's own order."""
    return list(_egl.eglQueryDevicesEXT())


def chosen_devices() -> list[Any]:
    """The device that ``MUJOCO_EGL_DEVICE_ID`` counts in EGL's own order; all, the first to be
    tried first, if unset.

    Raises:
        RenderError: no such device.
    """
    available = devices()
    number = os.environ.get(DEVICE)
    if number is None:
        return available
    if not number.isdecimal() or int(number) >= len(available):
        numbers = ", ".join(map(str, range(len(available)))) or "none"
        raise RenderError(
            f"{DEVICE}: got {number!r}, expected a number of EGL's {len(available)} device(s): "
            f"{numbers}."
        )
    return [available[int(number)]]


def _initialized(platform: int, device: Any, inline: bool) -> Any:
    """A display ready for use, or None.

    ``inline`` asks Mesa's software driver, which reads its thread setting here, to draw on the
    calling thread.
    """
    is_set_by_user = _MESA_THREADS in os.environ
    if inline and not is_set_by_user:
        os.environ[_MESA_THREADS] = "0"
    try:
        display = _egl.eglGetPlatformDisplayEXT(platform, device, None)
        is_ready = display and _egl.eglInitialize(display, None, None)
        return display if is_ready else None
    except gl_error.GLError:
        return None
    finally:
        if not is_set_by_user:
            os.environ.pop(_MESA_THREADS, None)


@cache
def _device_display(device_number: str | None, alone: bool) -> Any:
    del device_number  # a part of the cache's key: another number is another display
    for device in chosen_devices():
        display = _initialized(_egl.EGL_PLATFORM_DEVICE_EXT, device, inline=not alone)
        if display is not None:
            # MuJoCo's own renderer takes it over: at exit it terminates a display that it opened
            # itself before ours is freed.
            _native.EGL_DISPLAY = _native.EGL_DISPLAY or display
            return display
    raise RenderError(
        "EGL initialises none of its devices; it needs a driver with EGL_EXT_platform_device."
    )


@cache
def _second_display() -> Any:
    """A display of Mesa's software driver apart from the device's; None where hardware draws or
    there is none."""
    query: Any = import_module("OpenGL.EGL.EXT.device_query").eglQueryDeviceStringEXT
    try:
        if all(_SOFTWARE in query(device, _egl.EGL_EXTENSIONS) for device in devices()):
            return _initialized(_SURFACELESS, None, inline=True)
    except gl_error.Error:  # a driver without the query: it is not Mesa's
        return None
    return None


_spares: dict[int, tuple[Any, list[Any]]] = {}
"""Each display, by its `id`, with its contexts that were freed.

A new context compiles its shaders anew, which costs Mesa's software driver 0.2 s a thread: as much as
a hundred frames. Of the renderer before nothing else is left in them.
"""
# Of a process that was forked the driver's threads are gone: it opens contexts of its own.
os.register_at_fork(after_in_child=_spares.clear)


def _destroy_spares() -> None:
    for display, contexts in _spares.values():
        for context in contexts:
            _egl.eglDestroyContext(display, context)
        contexts.clear()


# Before MuJoCo's own hook, registered at its import above, which ends the display.
atexit.register(_destroy_spares)


class EGLContext:
    """An EGL context without a surface."""

    def __init__(self, number: int, alone: bool) -> None:
        """Open it on the display whose turn it is; see
        `roborew_envs.rendering.opengl.open_context`.

        Raises:
            RenderError: no such device, or no display.
        """
        self._display = _device_display(os.environ.get(DEVICE), alone)
        if not alone and number % 2 == 0:
            self._display = _second_display() or self._display
        _, self._spares = _spares.setdefault(id(self._display), (self._display, []))
        try:
            # Not asked for before: another thread may take the last one in between.
            self._context = self._spares.pop()
        except IndexError:
            self._context = _egl.eglCreateContext(
                self._display, self._config(), _egl.EGL_NO_CONTEXT, None
            )

    def _config(self) -> Any:
        count, configs = ctypes.c_long(), (_egl.EGLConfig * 1)()
        _egl.eglChooseConfig(self._display, _native.EGL_ATTRIBUTES, configs, 1, count)
        if count.value < 1:
            raise RenderError(
                "EGL offers no 8-bit RGB frame with a 24-bit depth buffer on this device."
            )
        _egl.eglBindAPI(_egl.EGL_OPENGL_API)
        return configs[0]

    def make_current(self) -> None:
        """Let the calling thread draw with it."""
        _egl.eglMakeCurrent(self._display, _egl.EGL_NO_SURFACE, _egl.EGL_NO_SURFACE, self._context)

    def free(self) -> None:
        """Give it back; freeing twice is harmless."""
        if self._context is None:
            return
        none = _egl.EGL_NO_SURFACE
        _egl.eglMakeCurrent(self._display, none, none, _egl.EGL_NO_CONTEXT)
        _egl.eglReleaseThread()
        self._spares.append(self._context)
        self._context = None
