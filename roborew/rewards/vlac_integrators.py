"""From signed pair progress to a progress curve, and back: the integrators of VLAC (arXiv:2509.15937).

Progress p and q is in [0, 1], a change c in [-1, 1] (VLAC counts both in percent). For a gain all agree: c is the share
of the remaining work, ``q = p + (1 - p) c``. For a loss they differ:

- "remaining": the same formula, ``c = (q - p) / (1 - p)``; exact where a loss is labelled as a share of the work that
  remained, which may be below -1 and so cannot be said in percent.
- "inverse": a loss undoes the gain of the reversed pair, ``c(p, q) = -c(q, p)``, so ``q = 1 - (1 - p) / (1 + c)``: how
  VLAC labels its training pairs.
- "mixed": the inverse but never below 0.1 where p is above a half, and ``q = p + p c`` below.

Where a loss is undone at least 0.01 is taken to remain, so that work called done can be lost again. The published
formulas divide by zero at ``c = -1``, which here undoes everything; lower 0.995 to 0.99 at ``c = 0``, which here
changes nothing; and leave [0, 1], which here nothing does.
"""

from __future__ import annotations

import math
from typing import Literal

from roborew.errors import InvalidInputError

Integrator = Literal["remaining", "inverse", "mixed"]
LEAST_LEFT = 0.01
MIXED_FLOOR = 0.1


def integrate(p: float, c: float, integrator: Integrator = "inverse") -> float:
    """Return the progress, in [0, 1], after a change.

    Args:
        p: progress before, in [0, 1].
        c: the change, at most 1.
        integrator: what a loss means, see the module.

    >>> [round(integrate(0.8, -0.5, integrator), 9) for integrator in ("remaining", "inverse", "mixed")]
    [0.7, 0.6, 0.6]
    """
    if c == 0:
        return p
    if c > 0 or integrator == "remaining":
        q = p + (1 - p) * c
    elif integrator == "mixed" and p <= 0.5:
        q = p + p * c
    else:
        floor = MIXED_FLOOR if integrator == "mixed" else 0.0
        q = floor if c <= -1 else max(1 - max(1 - p, LEAST_LEFT) / (1 + c), floor)
    return min(max(q, 0.0), 1.0)


def change(p: float, q: float, integrator: Integrator = "inverse") -> float:
    """Return the change from progress p to q, both in [0, 1]: ``integrate(p, change(p, q)) == q``.

    Raises:
        InvalidInputError: progress outside [0, 1], or this integrator never leads from p to q, such as upwards from 1,
            to 0.995 by a loss, or, mixed, from above a half to below 0.1.
    """
    if not (0 <= p <= 1 and 0 <= q <= 1):
        raise InvalidInputError(f"change: expected progress in [0, 1]; got {p} and {q}.")
    if p == q:
        return 0.0
    if integrator == "remaining" or q > p:
        c = (q - p) / (1 - p) if p < 1 else 0.0
    elif integrator == "mixed" and p <= 0.5:
        c = (q - p) / p
    else:
        c = min(max(1 - p, LEAST_LEFT) / (1 - q) - 1, 0.0)
    if not math.isclose(integrate(p, c, integrator), q, abs_tol=1e-9):
        raise InvalidInputError(f"change: the integrator {integrator!r} never leads from {p} to {q}.")
    return c
