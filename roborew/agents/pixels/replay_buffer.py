"""A replay of pictures that keeps each frame once, not once in every stack that shows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from roborew.agents.pixels.frame_store import FrameStore
from roborew.agents.pixels.layout import ObservationLayout
from roborew.agents.sac.replay_buffer import ReplayBuffer
from roborew.storage.checkpoints import select_prefix, with_prefix

OWN_COLUMNS = ("vectors", "next_vectors", "stacks", "next_frames")


class PixelReplayBuffer(ReplayBuffer):
    """As `ReplayBuffer`, of rows with pictures.

    A transition remembers the numbers of the frames that it shows; the first frame of an episode fills
    the rest of a stack.

    Args:
        capacity: transitions, over all environments.
        num_envs: environments.
        layout: of a row.
        action_dim: A.
        frames: where they lie; where it is short of room, the oldest transitions give way earlier.
    """

    def __init__(
        self,
        capacity: int,
        num_envs: int,
        layout: ObservationLayout,
        action_dim: int,
        frames: FrameStore,
    ) -> None:
        super().__init__(capacity, num_envs, 0, action_dim)
        assert layout.stack is not None
        self._layout = layout
        self._frames = frames
        sizes = (self.rows, num_envs)
        self._vectors = torch.zeros(*sizes, layout.vector_size)
        self._next_vectors = torch.zeros(*sizes, layout.vector_size)
        self._stacks = torch.zeros(*sizes, layout.stack[0], dtype=torch.int64)
        self._next_frames = torch.zeros(sizes, dtype=torch.int64)
        self._valid = 0
        """Newest rows whose frames are all still there."""

    @property
    def num_bytes(self) -> int:
        """As of `ReplayBuffer`, without the frames."""
        return super().num_bytes + sum(getattr(self, f"_{name}").nbytes for name in OWN_COLUMNS)

    def _observe(
        self, row: int, observations: NDArray[Any], next_observations: NDArray[Any]
    ) -> None:
        before = (row - 1) % self.rows
        begins = np.ones(self.num_envs, np.bool_)
        if self.filled:
            begins = self._done[before].numpy() > 0
        # Going on, the frame is already there: it was the one after the step before.
        stacks = self._next_stacks(self._stacks[before], self._next_frames[before])
        first = self._frames.append(self._newest(observations)[begins])
        stacks[torch.as_tensor(begins)] = torch.as_tensor(first)[:, None]
        self._stacks[row] = stacks
        self._next_frames[row] = torch.as_tensor(
            self._frames.append(self._newest(next_observations))
        )
        for vectors, rows in (
            (self._vectors, observations),
            (self._next_vectors, next_observations),
        ):
            vectors[row] = torch.as_tensor(self._layout.vector(rows))
        self._valid = min(self._valid + 1, self.rows)
        self._drop_overwritten(row)

    def _newest(self, rows: NDArray[Any]) -> NDArray[np.uint8]:
        """The newest frames of rows of the layout, shape (N, S)."""
        end = self._layout.num_bytes
        return rows[:, end - self._frames.frame_size : end]

    @staticmethod
    def _next_stacks(stacks: Tensor, next_frames: Tensor) -> Tensor:
        """Numbers of the frames one step later, shape (..., K)."""
        return torch.cat([stacks[..., 1:], next_frames[..., None]], dim=-1)

    def _drop_overwritten(self, newest: int) -> None:
        """Forget the oldest rows of which a frame has been overwritten."""
        while self._valid > 1:
            oldest = (newest - self._valid + 1) % self.rows
            if int(self._stacks[oldest].min()) >= self._frames.oldest:
                return
            self._valid -= 1

    def _draw_rows(self, size: int, generator: torch.Generator) -> Tensor:
        back = torch.randint(self._valid, (size,), generator=generator)
        return (self.head - 1 - back) % self.rows

    def _observed(self, rows: Tensor, envs: Tensor) -> Tensor:
        return self._stack_rows(self._stacks[rows, envs], self._vectors[rows, envs])

    def _observed_next(self, rows: Tensor, envs: Tensor) -> Tensor:
        stacks = self._next_stacks(self._stacks[rows, envs], self._next_frames[rows, envs])
        return self._stack_rows(stacks, self._next_vectors[rows, envs])

    def _stack_rows(self, stacks: Tensor, vectors: Tensor) -> Tensor:
        """Rows of the layout, of stacks of these frames, shape (B, K)."""
        frames = torch.as_tensor(self._frames.read(stacks.numpy()))
        return torch.cat([frames.flatten(1), vectors.view(torch.uint8)], dim=1)

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Return what is remembered, and where the ring stands; frames that lie in a file stay there."""
        arrays = super().state_dict()
        for name in OWN_COLUMNS:
            arrays[name] = getattr(self, f"_{name}")[: self.filled].numpy().copy()
        arrays["valid"] = np.array([self._valid])
        return arrays | with_prefix(self._frames.state_dict(), "frames/")

    def load_state_dict(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `state_dict` returned, of a buffer of the same size."""
        super().load_state_dict(arrays)
        for name in OWN_COLUMNS:
            getattr(self, f"_{name}")[: self.filled] = torch.as_tensor(arrays[name])
        self._frames.load_state_dict(select_prefix(arrays, "frames/"))
        self._valid = int(arrays["valid"][0])
