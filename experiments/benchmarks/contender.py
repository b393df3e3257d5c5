"""A contender in a process of its own: software OpenGL reads its thread settings once a process."""

from __future__ import annotations

import multiprocessing as mp
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

from experiments.benchmarks.measure import Rate, rate
from roborew_envs.rendering.renderer import backend

Make = Callable[..., Callable[[], int]]
"""Prepares the work, given its settings; the work returns how much it did."""


def _serve(make: Make, settings: tuple[object, ...], calls: Connection) -> None:
    work = make(*settings)
    while calls.recv():
        calls.send(rate(work))


@contextmanager
def contender(make: Make, *settings: object) -> Iterator[Rate]:
    """A process that works for a turn whenever asked."""
    os.environ.setdefault(
        "MUJOCO_GL", backend()
    )  # MuJoCo's and Gymnasium's own drawing need to be told
    context = mp.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(make, settings, there), daemon=True)
    process.start()
    there.close()

    def ask() -> float:
        here.send(True)
        return here.recv()

    yield ask
    here.send(False)
    process.join()
