"""One compilation of a MuJoCo world for many environments of it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from copy import copy
from typing import Any

import mujoco

_COMPILE = "from_xml_path"


@contextmanager
def compile_once() -> Generator[None]:
    """While it lasts, compile each MuJoCo file once: who asks for it again gets a copy.

    Every environment of Gymnasium, Gymnasium-Robotics and Meta-World compiles its world anew, 0.2 s
    for the meshes of one arm. None can be handed a model, so the compiler is replaced for as long
    as they are made. The models are equal to the last bit and each environment's own: some write
    into it.
    """
    compiler: Any = mujoco.MjModel
    compile_file: Callable[..., mujoco.MjModel] = compiler.from_xml_path
    models: dict[str, mujoco.MjModel] = {}

    def compile_or_copy(filename: str, *args: Any, **kwargs: Any) -> mujoco.MjModel:
        if args or kwargs:  # assets of the caller's own, which its path does not tell
            return compile_file(filename, *args, **kwargs)
        if filename not in models:
            models[filename] = compile_file(filename)
        # A copy for the first one too: what it writes must not reach those that come later.
        return copy(models[filename])

    setattr(compiler, _COMPILE, staticmethod(compile_or_copy))
    try:
        yield
    finally:
        setattr(compiler, _COMPILE, compile_file)
