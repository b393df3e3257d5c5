"""Which environments a reset begins anew."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from roborew.types import BoolArray


def split_reset_mask(
    options: Mapping[str, Any] | None, num_envs: int
) -> tuple[BoolArray, dict[str, Any] | None]:
    """Return the mask of a reset, shape (N,), all where none is given; and a copy of its options.

    Gymnasium's environments take the mask out of the options that they are given.
    """
    if options is None or "reset_mask" not in options:
        return np.ones(num_envs, np.bool_), None if options is None else dict(options)
    return np.array(options["reset_mask"], np.bool_), dict(options)
