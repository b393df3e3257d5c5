"""How an observation lies in one row of an array, as agents hold it.

| observation space | a row |
|---|---|
| Box (D,) | the vector itself, float32 |
| Dict ``pixels`` (K, C, H, W) uint8, and ``vector`` (D,) where there is one | bytes: pictures, then vector |

So whatever keeps, mixes or saves observations handles rows, and only a network looks inside.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from gymnasium import Space
from gymnasium.spaces import Box, Dict
from numpy.typing import NDArray
from torch import Tensor

from roborew.agents.env_checks import box_size, check_finite
from roborew.agents.pixels.random_shift import random_shift
from roborew.errors import InvalidInputError

Observations = NDArray[Any] | Mapping[str, NDArray[Any]]
"""Of N environments: an array (N, D), or arrays (N, ...) by the names of a Dict space."""
FLOAT_BYTES = 4


def select(observations: Observations, chosen: NDArray[np.bool_]) -> Observations:
    """Return the observations of the environments that are ``chosen``, shape (N,)."""
    if isinstance(observations, np.ndarray):
        return observations[chosen]
    return {name: part[chosen] for name, part in observations.items()}


@dataclass(frozen=True, slots=True)
class ObservationLayout:
    """Where everything is in a row.

    Attributes:
        stack: pictures of an observation as (K, C, H, W): K frames, the newest last, of C channels;
            None where there are none.
        vector_size: D, 0 where there is no vector.
    """

    stack: tuple[int, int, int, int] | None
    vector_size: int

    @property
    def num_bytes(self) -> int:
        """Bytes of the pictures at the beginning of a row."""
        return 0 if self.stack is None else int(np.prod(self.stack))

    @property
    def frame_size(self) -> int:
        """Bytes of one frame, 0 where there are no pictures."""
        return 0 if self.stack is None else self.num_bytes // self.stack[0]

    def rows(self, observations: Observations) -> NDArray[Any]:
        """Return observations of N environments as rows, shape (N, ...).

        Raises:
            InvalidInputError: NaN or infinity.
        """
        if isinstance(observations, np.ndarray):
            return check_finite(observations, "observation")
        pixels = observations["pixels"]
        pictures = pixels.reshape(len(pixels), -1)
        if not self.vector_size:
            return pictures.copy()
        vector = check_finite(observations["vector"], "observation")
        as_bytes = np.ascontiguousarray(vector, dtype=np.float32).view(np.uint8)
        return np.concatenate([pictures, as_bytes], axis=1)

    def vector(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Return the vectors of rows, shape (N, D)."""
        if self.stack is None:
            return rows
        as_bytes = rows[:, self.num_bytes :]
        return np.ascontiguousarray(as_bytes).view(np.float32).reshape(len(rows), -1)

    def with_vector(self, rows: NDArray[Any], vector: NDArray[np.float32]) -> NDArray[Any]:
        """Return rows with other vectors, shape (N, D), beside the same pictures."""
        if self.stack is None:
            return vector
        if not self.vector_size:
            return rows
        return np.concatenate([rows[:, : self.num_bytes], vector.view(np.uint8)], axis=1)

    def split(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return the pictures, shape (B, K * C, H, W), uint8, and the vectors, shape (B, D), float32,
        of rows with pictures."""
        assert self.stack is not None
        height, width = self.stack[2:]
        pictures = rows[:, : self.num_bytes]
        pixels = pictures.reshape(len(rows), -1, height, width)
        as_bytes = rows[:, self.num_bytes :].contiguous()
        vector = as_bytes.view(torch.float32)
        return pixels, vector.view(len(rows), self.vector_size)

    def shifted(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Return rows whose pictures are moved at random, see `random_shift`; rows without pictures
        as they are."""
        if self.stack is None:
            return rows
        pixels, _ = self.split(rows)
        pictures = random_shift(pixels, generator).flatten(1)
        return torch.cat([pictures, rows[:, self.num_bytes :]], dim=1)


def observation_layout(space: Space[Any]) -> ObservationLayout:
    """Return the layout of an observation space.

    Raises:
        InvalidInputError: neither a Box of shape (D,) nor such a Dict.
    """
    if not isinstance(space, Dict):
        return ObservationLayout(None, box_size(space, "observation"))
    spaces = cast("Mapping[str, Space[Any]]", cast(Any, space).spaces)
    pixels: Any = spaces.get("pixels")
    is_box = isinstance(pixels, Box)
    is_stack = is_box and cast(Any, pixels).dtype == np.uint8 and len(pixels.shape) == 4
    if not is_stack or spaces.keys() - {"pixels", "vector"}:
        raise InvalidInputError(
            "observation space: expected a Box of shape (D,), or a Dict of 'pixels', uint8 of shape "
            f"(frames, channels, height, width), and perhaps 'vector', of shape (D,); got {space}."
        )
    vector_size = box_size(spaces["vector"], "observation") if "vector" in spaces else 0
    return ObservationLayout(cast(Any, pixels).shape, vector_size)
