"""A circuit breaker: what failed several times in a row is left alone for a while."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic


class CircuitBreaker:
    """Opens after ``max_failures`` in a row; after ``cool_down`` seconds the next try decides.

    >>> now = 0.0
    >>> breaker = CircuitBreaker(max_failures=2, cool_down=10.0, clock=lambda: now)
    >>> breaker.record_failure(), breaker.is_open, breaker.record_failure(), breaker.is_open
    (None, False, None, True)
    >>> now = 11.0
    >>> breaker.is_open, breaker.record_failure(), breaker.is_open
    (False, None, True)
    """

    def __init__(
        self, max_failures: int, cool_down: float, clock: Callable[[], float] = monotonic
    ) -> None:
        self._max_failures = max_failures
        self._cool_down = cool_down
        self._clock = clock
        self._consecutive_failures = 0
        self._last_failure = 0.0

    @property
    def is_open(self) -> bool:
        """Whether to fail at once."""
        if self._consecutive_failures < self._max_failures:
            return False
        # After the pause questions go through again; the first failure among them opens it anew.
        return self._clock() - self._last_failure < self._cool_down

    def record_failure(self) -> None:
        """Count a failure."""
        self._consecutive_failures += 1
        self._last_failure = self._clock()

    def record_success(self) -> None:
        """Close."""
        self._consecutive_failures = 0
