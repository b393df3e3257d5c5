"""Named arrays, as critics keep what they learned and what they remember; without torch, which is slow to load."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray


def under(arrays: Mapping[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    """Those whose names begin with a prefix, without it.

    >>> import numpy as np
    >>> list(under({"a/x": np.zeros(1), "b/x": np.zeros(1)}, "a/"))
    ['x']
    """
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
