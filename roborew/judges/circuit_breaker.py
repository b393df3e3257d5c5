"""A circuit breaker: what failed several times in a row is left alone for a while."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic


class Breaker:
    """Opens after ``failures`` in a row; after ``cool_down`` seconds the next try decides.

    >>> now = 0.0
    >>> breaker = Breaker(failures=2, cool_down=10.0, clock=lambda: now)
    >>> breaker.failed(), breaker.is_open, breaker.failed(), breaker.is_open
    (None, False, None, True)
    >>> now = 11.0
    >>> breaker.is_open, breaker.failed(), breaker.is_open
    (False, None, True)
    """

    def __init__(
        self, failures: int, cool_down: float, clock: Callable[[], float] = monotonic
    ) -> None:
        self._limit = failures
        self._cool_down = cool_down
        self._clock = clock
        self._in_a_row = 0
        self._last = 0.0

    @property
    def is_open(self) -> bool:
        """Whether to fail at once."""
        return self._in_a_row >= self._limit and self._clock() - self._last < self._cool_down

    def failed(self) -> None:
        """Count a failure."""
        self._in_a_row += 1
        self._last = self._clock()

    def worked(self) -> None:
        """Close."""
        self._in_a_row = 0
