"""Two contenders take turns in one run; what counts is the median of the turns' ratios."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

Rate = Callable[[], float]
"""One timed repeat: how much was done in a second."""


SECONDS = 0.5
"""How long a turn lasts: long enough for many repeats, short enough that a busy machine strikes
both sides."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of results.csv."""

    benchmark: str
    ours: float
    peer: float
    unit: str
    ratio: float
    settings: str


def rate(work: Callable[[], int], seconds: float = SECONDS) -> float:
    """Repeat ``work``, which returns how much it did, for about ``seconds`` [s]; returns how much a
    second."""
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
    return Row(
        benchmark, median(own), median(theirs), unit, median(ratios), f"{settings}; {spread}"
    )
