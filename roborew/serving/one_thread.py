"""Work of many threads that one thread does."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

R = TypeVar("R")
Job = tuple[Callable[[], Any], "Future[Any]"]


class OneThread:
    """Does what it is given, one after another, in the thread that calls `work`.

    Models are made for one thread; and in any but the main one torch needs 1.5 to 1.9 times as long
    on two cores (`python -m experiments.benchmarks --only serving`).
    """

    def __init__(self) -> None:
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()

    def do(self, job: Callable[[], R]) -> R:
        """Let it be done, and return what it returns or raise what it raises."""
        result: Future[R] = Future()
        self._jobs.put((job, result))
        return result.result()

    def work(self) -> None:
        """Do what is there and what comes, until `stop`."""
        while (item := self._jobs.get()) is not None:
            job, result = item
            try:
                result.set_result(job())
            except Exception as error:  # noqa: BLE001 - whoever waits for it hears of it
                result.set_exception(error)

    def stop(self) -> None:
        """Let `work` return after what is there."""
        self._jobs.put(None)
