"""Where the time goes: seconds added up under names."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from time import perf_counter


class Stopwatch:
    """Adds up wall-clock seconds under names.

    >>> watch = Stopwatch()
    >>> with watch.time("drawing"):
    ...     pass
    >>> list(watch.seconds)
    ['drawing']
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def time(self, name: str) -> Generator[None]:
        """Add the time spent in the ``with`` block to ``seconds[name]`` [s]."""
        start = perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + perf_counter() - start
