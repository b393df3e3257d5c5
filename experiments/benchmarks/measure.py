"""Two contenders take turns in one run; what counts is the ratio of their medians."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

Rate = Callable[[], float]
"""One timed repeat: how much was done in a second."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of results.csv."""

    benchmark: str
    ours: float
    peer: float
    unit: str
    ratio: float
    settings: str


def rate(work: Callable[[], int], seconds: float) -> float:
    """Repeat ``work``, which returns how much it did, for about ``seconds`` [s]; returns how much a second."""
    done, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < seconds:
        done += work()
    return done / elapsed


def compare(benchmark: str, ours: Rate, peer: Rate, unit: str, settings: str, repeats: int) -> Row:
    """Warm both up, then let them take turns, so that a busy moment of the machine strikes both."""
    ours(), peer()
    theirs, own = zip(*((peer(), ours()) for _ in range(repeats)), strict=True)
    ratios = [a / b for a, b in zip(own, theirs, strict=True)]
    spread = f"{repeats} turns, paired ratios {min(ratios):.2f} to {max(ratios):.2f}"
    a, b = median(own), median(theirs)
    return Row(benchmark, a, b, unit, a / b, f"{settings}; {spread}")
