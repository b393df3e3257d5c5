"""Hops between states and the progress curves rebuilt from them: pure functions of Robo-Dopamine
(arXiv:2512.23703).

Progress is in [0, 1], a hop in [-1, 1]: a gain as a share of what was left, a loss as a share of
what was there. What leaves [0, 1] is cut off there; NaN (an abstention) stays NaN in all of them.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from roborew.errors import InvalidInputError
from roborew.types import Frame

Integrator = Literal["remaining", "inverse", "mixed"]
MIN_REMAINING_WORK = 0.01
MIXED_MIN_PROGRESS = 0.1
ONE_HALF = 0.5 + 1e-9
"""Sums that should give one half, and miss it by a bit, take its branch."""


def apply_change(p: float, c: float, integrator: Integrator = "inverse") -> float:
    """Return the progress, in [0, 1], after a relative change.

    A gain is a share of what was left: ``q = p + (1 - p) c``. What a loss means is up to the
    integrator: "remaining" counts it the same way; "inverse" undoes the gain from q to p,
    ``q = 1 - (1 - p) / (1 + c)``; "mixed" counts it as a share of p up to a half, and is "inverse"
    above, but never falls below 0.1 there.

    Args:
        p: progress before, in [0, 1].
        c: the change, at most 1.
        integrator: what a loss means.

    >>> [round(apply_change(0.8, -0.5, integrator), 9) for integrator in ("remaining", "inverse", "mixed")]
    [0.7, 0.6, 0.6]
    """
    if c == 0:
        return p
    if c > 0 or integrator == "remaining":
        q = p + (1 - p) * c
    elif integrator == "mixed" and p <= ONE_HALF:
        q = p + p * c
    else:
        floor = MIXED_MIN_PROGRESS if integrator == "mixed" else 0.0
        # At -1 the division below is by 0, and beyond it the sign would turn.
        if c <= -1:
            q = floor
        else:
            # At p = 1 nothing is left, and no loss of a share of nothing would lead down again.
            remaining = max(1 - p, MIN_REMAINING_WORK)
            q = max(1 - remaining / (1 + c), floor)
    return min(max(q, 0.0), 1.0)


def relative_change(p: float, q: float, integrator: Integrator = "inverse") -> float:
    """Return the change from progress p to q, both in [0, 1]: ``apply_change(p, relative_change(p, q)) == q``.

    Raises:
        InvalidInputError: progress outside [0, 1], or this integrator never leads from p to q, such
            as upwards from 1, to 0.995 by a loss, or, mixed, from above a half to below 0.1.
    """
    if not (0 <= p <= 1 and 0 <= q <= 1):
        raise InvalidInputError(f"change: expected progress in [0, 1]; got {p} and {q}.")
    if p == q:
        return 0.0
    if integrator == "remaining" or q > p:
        c = (q - p) / (1 - p) if p < 1 else 0.0
    elif integrator == "mixed" and p <= ONE_HALF:
        c = (q - p) / p
    else:
        # From 1 to 0.995 the least remaining work would make the loss a gain.
        c = min(max(1 - p, MIN_REMAINING_WORK) / (1 - q) - 1, 0.0)
    # Clipping makes some progress unreachable; a wrong label would be worse than none.
    if not math.isclose(apply_change(p, c, integrator), q, abs_tol=1e-9):
        raise InvalidInputError(
            f"change: the integrator {integrator!r} never leads from {p} to {q}."
        )
    return c


# Where both anchors are 0, so is the mean that their gap is divided by.
EPSILON = 1e-6
GRID_CELLS = 16
"""Two pictures are compared over GRID x GRID fields."""


def relative_hop(p: float, q: float) -> float:
    """Return the hop from progress p to q: ``(q - p) / (1 - p)`` upwards, ``(q - p) / p``
    downwards, 0 where equal.

    >>> relative_hop(0.5, 0.75), relative_hop(0.5, 0.25), relative_hop(1.0, 1.0)
    (0.5, -0.5, 0.0)
    """
    if q == p:
        return 0.0  # also at both ends, where a denominator is 0
    return (q - p) / (1 - p) if q > p else (q - p) / p


def apply_hop(p: float, h: float) -> float:
    """Return the progress after a hop, the inverse of `relative_hop`.

    ``p + (1 - p) h`` upwards, ``p + p h`` downwards.
    """
    q = p + (1 - p) * h if h >= 0 else p + p * h
    return min(max(q, 0.0), 1.0)


def progress_from_start(h: float) -> float:
    """Return the progress told by the hop from the start: ``h``."""
    return float(np.clip(h, 0, 1))


def progress_from_goal(h: float) -> float:
    """Return the progress told by the hop from the goal: ``1 + h``."""
    return float(np.clip(1 + h, 0, 1))


def fuse_consistent(
    previous: float, gain: float, from_start: float, from_goal: float, alpha: float
) -> float:
    """Return the progress after a step that the two anchors move as far as they agree.

    ``m = (F + B) / 2``, ``d = |B - F| / m``, ``w = exp(-alpha d^2)``, ``previous + w / 2 (m -
    previous + gain)``.

    Args:
        previous: progress at the step before.
        gain: of the incremental curve since then.
        from_start: F, in [0, 1].
        from_goal: B, in [0, 1].
        alpha: how much disagreement weighs, at least 0.
    """
    mean = (from_start + from_goal) / 2
    # Relative to the mean: near the start the same gap means more.
    disagreement = abs(from_goal - from_start) / (mean + EPSILON)
    weight = np.exp(-alpha * disagreement**2)
    correction = mean - previous + gain
    progress = previous + weight / 2 * correction
    return float(np.clip(progress, 0, 1))


def color_difference(first: Frame, second: Frame) -> float:
    """Return the largest difference, in [0, 1], between the mean colors of the same field of two
    pictures.

    The pictures, (H, W, 3) uint8 RGB, may differ in size. A goal that looks like the start is that
    of a cycle.
    """
    differences = np.abs(_mean_colors(first) - _mean_colors(second))
    return float(differences.max() / 255)


def _mean_colors(picture: Frame) -> NDArray[np.float64]:
    """Mean colors of the fields of a picture, shape (GRID_CELLS, GRID_CELLS, 3)."""
    height, width = picture.shape[:2]
    # A picture smaller than the grid gets a pixel for each field at least.
    picture = picture.repeat(-(-GRID_CELLS // height), axis=0)
    picture = picture.repeat(-(-GRID_CELLS // width), axis=1)
    height, width = picture.shape[:2]
    first_rows = np.arange(GRID_CELLS) * height // GRID_CELLS
    first_columns = np.arange(GRID_CELLS) * width // GRID_CELLS
    # reduceat sums from one first row to the next, so fields may differ by a row in size.
    row_sums = np.add.reduceat(picture.astype(np.float64), first_rows, axis=0)
    sums = np.add.reduceat(row_sums, first_columns, axis=1)
    row_ends = [*first_rows, height]
    column_ends = [*first_columns, width]
    heights = np.diff(row_ends)
    widths = np.diff(column_ends)
    pixels = heights[:, None] * widths
    return sums / pixels[:, :, None]
