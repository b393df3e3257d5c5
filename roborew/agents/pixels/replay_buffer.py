"""A replay of pictures that keeps each frame once, not once in every stack that shows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from roborew.agents.pixels.layout import ObservationLayout
from roborew.agents.sac.replay_buffer import ReplayBuffer

OWN_COLUMNS = ("vectors", "next_vectors", "places", "ages")


class PixelReplayBuffer(ReplayBuffer):
    """As `ReplayBuffer`, of rows with pictures.

    Frames of an environment stand in a ring of their own in the order of time, the last of an episode
    before the first of the next. A transition remembers the place of its newest frame, and how many
    of the frames before belong to its episode; the first of an episode fills the rest of a stack.

    Args:
        capacity: transitions, over all environments.
        num_envs: environments.
        layout: of a row.
        action_dim: A.
        starts: beginnings of episodes among them that there is room for, over all environments;
            where there are more, the oldest transitions give way earlier.
    """

    def __init__(
        self,
        capacity: int,
        num_envs: int,
        layout: ObservationLayout,
        action_dim: int,
        starts: int,
    ) -> None:
        super().__init__(capacity, num_envs, 0, action_dim)
        assert layout.stack is not None
        self._layout = layout
        self._stack_size, *picture = layout.stack
        # Memory is taken page by page, as frames come.
        places = num_places(self.rows, starts // num_envs)
        self._frames = torch.empty((num_envs, places, int(np.prod(picture))), dtype=torch.uint8)
        self._vectors = torch.zeros(self.rows, num_envs, layout.vector_size)
        self._next_vectors = torch.zeros(self.rows, num_envs, layout.vector_size)
        self._places = torch.zeros(self.rows, num_envs, dtype=torch.int64)
        self._ages = torch.zeros(self.rows, num_envs, dtype=torch.int64)
        self._written = torch.zeros(num_envs, dtype=torch.int64)
        """Frames of each environment so far; the next one stands in this place of the ring."""
        self._valid = 0
        """Newest rows whose frames are all still there."""

    @property
    def num_bytes(self) -> int:
        """As of `ReplayBuffer`, with the frames."""
        own = sum(getattr(self, f"_{name}").nbytes for name in (*OWN_COLUMNS, "frames"))
        return super().num_bytes + own

    def _observe(
        self, row: int, observations: NDArray[Any], next_observations: NDArray[Any]
    ) -> None:
        envs = torch.arange(self.num_envs)
        before = (row - 1) % self.rows
        begins = torch.ones(self.num_envs, dtype=torch.bool)
        if self.filled:
            begins = self._done[before] > 0
        # Going on, the frame is already there: it was the one after the step before.
        self._write(envs[begins], torch.as_tensor(observations)[begins])
        self._ages[row] = torch.where(begins, 0, self._ages[before] + 1)
        self._places[row] = self._written - 1
        self._write(envs, torch.as_tensor(next_observations))
        for vectors, rows in (
            (self._vectors, observations),
            (self._next_vectors, next_observations),
        ):
            vectors[row] = torch.as_tensor(self._layout.vector(rows))
        self._valid = min(self._valid + 1, self.rows)
        self._drop_overwritten(row)

    def _write(self, envs: Tensor, observations: Tensor) -> None:
        """Append the newest frames of observations, one row for each of these environments."""
        _, ring_size, frame_size = self._frames.shape
        end = self._layout.num_bytes
        newest = observations[:, end - frame_size : end]
        ring_places = self._written[envs] % ring_size
        self._frames[envs, ring_places] = newest
        self._written[envs] += 1

    def _drop_overwritten(self, newest: int) -> None:
        """Forget the oldest rows of which a frame has been overwritten."""
        oldest_place = self._written - self._frames.shape[1]
        while self._valid > 1:
            oldest = (newest - self._valid + 1) % self.rows
            reach = self._ages[oldest].clamp(max=self._stack_size - 1)
            if bool((self._places[oldest] - reach >= oldest_place).all()):
                return
            self._valid -= 1

    def _draw_rows(self, size: int, generator: torch.Generator) -> Tensor:
        back = torch.randint(self._valid, (size,), generator=generator)
        return (self.head - 1 - back) % self.rows

    def _observed(self, rows: Tensor, envs: Tensor) -> Tensor:
        places = self._places[rows, envs]
        ages = self._ages[rows, envs]
        vectors = self._vectors[rows, envs]
        return self._rows(envs, places, ages, vectors)

    def _observed_next(self, rows: Tensor, envs: Tensor) -> Tensor:
        # The frame after an action stands behind the one before it.
        places = self._places[rows, envs] + 1
        ages = self._ages[rows, envs] + 1
        vectors = self._next_vectors[rows, envs]
        return self._rows(envs, places, ages, vectors)

    def _rows(self, envs: Tensor, places: Tensor, ages: Tensor, vectors: Tensor) -> Tensor:
        """Rows of the layout, of stacks whose newest frames stand in these places."""
        steps_back = torch.arange(self._stack_size).flip(0)
        # Before its first frame an episode has none: the first fills these places, too.
        steps_back = torch.minimum(steps_back, ages[:, None])
        frame_places = places[:, None] - steps_back
        ring_places = frame_places % self._frames.shape[1]
        stacks = self._frames[envs[:, None], ring_places]
        as_bytes = vectors.view(torch.uint8)
        return torch.cat([stacks.flatten(1), as_bytes], dim=1)

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Return what is remembered, and where the rings stand."""
        arrays = super().state_dict()
        for name in OWN_COLUMNS:
            arrays[name] = getattr(self, f"_{name}")[: self.filled].numpy().copy()
        most = int(self._written.max())
        arrays["frames"] = self._frames[:, :most].numpy().copy()
        arrays["written"] = self._written.numpy().copy()
        arrays["valid"] = np.array([self._valid])
        return arrays

    def load_state_dict(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `state_dict` returned, of a buffer of the same size."""
        super().load_state_dict(arrays)
        for name in OWN_COLUMNS:
            getattr(self, f"_{name}")[: self.filled] = torch.as_tensor(arrays[name])
        frames = torch.as_tensor(arrays["frames"])
        self._frames[:, : frames.shape[1]] = frames
        self._written = torch.as_tensor(arrays["written"].copy())
        self._valid = int(arrays["valid"][0])


def num_places(rows: int, starts: int) -> int:
    """Places of a ring of frames: one for each of ``rows`` transitions, one for each beginning of an
    episode, and what the oldest stack and the newest step need beside."""
    return rows + starts + 8
