"""A replay of pictures gives back what was put in, though it keeps each frame once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from roborew.agents.pixels.layout import ObservationLayout
from roborew.agents.pixels.replay_buffer import PixelReplayBuffer

LAYOUT = ObservationLayout((3, 1, 2, 2), 1)
NUM_ENVS = 2


class Episodes:
    """Environments whose every frame is another; what was added, by the number of the step."""

    def __init__(self, seed: int, length: float) -> None:
        self._rng = np.random.default_rng(seed)
        self._length = length
        self._frames = self._rng.integers(0, 256, (NUM_ENVS, 3, 4)).astype(np.uint8)
        self._begin(np.ones(NUM_ENVS, np.bool_))
        self.added: list[tuple[Any, Any]] = []

    def _begin(self, begun: np.ndarray) -> None:
        fresh = self._rng.integers(0, 256, (NUM_ENVS, 1, 4)).astype(np.uint8)
        self._frames = np.where(begun[:, None, None], fresh, self._frames)

    def _rows(self, number: float) -> np.ndarray:
        vector = np.full((NUM_ENVS, 1), number, np.float32)
        return LAYOUT.rows({"pixels": self._frames, "vector": vector})

    def add_to(self, buffer: PixelReplayBuffer) -> None:
        number = len(self.added)
        observations = self._rows(number)
        newest = self._rng.integers(0, 256, (NUM_ENVS, 1, 4)).astype(np.uint8)
        self._frames = np.concatenate([self._frames[:, 1:], newest], axis=1)
        following = self._rows(number + 0.5)
        done = self._rng.random(NUM_ENVS) < 1 / self._length
        buffer.add(
            observations, torch.zeros(NUM_ENVS, 1), np.zeros(NUM_ENVS), following, done, done
        )
        self.added.append((observations, following))
        self._begin(done)


def buffer_of(rows: int, starts: int = 40) -> PixelReplayBuffer:
    return PixelReplayBuffer(rows * NUM_ENVS, NUM_ENVS, LAYOUT, 1, starts)


def samples(buffer: PixelReplayBuffer) -> tuple[torch.Tensor, torch.Tensor]:
    batch = buffer.sample(200, 1, 0.9, torch.Generator().manual_seed(0))
    return batch.observations, batch.next_observations


@pytest.mark.parametrize("length", [1, 2.5, 30])
@pytest.mark.parametrize("steps", [1, 9, 50], ids=["one", "full", "overwritten"])
def test_a_sample_is_what_was_added(steps: int, length: float) -> None:
    episodes, buffer = Episodes(0, length), buffer_of(9)
    for _ in range(steps):
        episodes.add_to(buffer)
    seen = set[int]()
    for observation, following in zip(*samples(buffer), strict=True):
        vector = LAYOUT.vector(observation[None].numpy())
        number = int(vector[0, 0])
        before, after = episodes.added[number]
        assert any(torch.equal(observation, torch.as_tensor(row)) for row in before)
        env = [torch.equal(observation, torch.as_tensor(row)) for row in before].index(True)
        np.testing.assert_array_equal(following, after[env])
        seen.add(number)
    assert seen == set(range(max(0, steps - 9), steps))


def test_where_episodes_are_shorter_than_there_is_room_for_the_oldest_give_way() -> None:
    episodes, buffer = Episodes(1, 1), buffer_of(12, starts=0)
    for _ in range(40):
        episodes.add_to(buffer)
    numbers = {int(LAYOUT.vector(row[None].numpy())[0, 0]) for row in samples(buffer)[0]}
    for observation in samples(buffer)[0]:
        number = int(LAYOUT.vector(observation[None].numpy())[0, 0])
        rows = episodes.added[number][0]
        assert any(torch.equal(observation, torch.as_tensor(row)) for row in rows)
    assert max(numbers) == 39 and 28 < min(numbers) < 39


@pytest.mark.parametrize("steps", [5, 30])
def test_a_buffer_that_was_read_back_goes_on_as_the_first(steps: int) -> None:
    episodes, buffer = Episodes(2, 4), buffer_of(9)
    for _ in range(steps):
        episodes.add_to(buffer)
    restored = buffer_of(9)
    restored.load_state_dict(buffer.state_dict())
    twin = Episodes(2, 4)
    for _ in range(steps):
        twin.add_to(buffer_of(9))
    for _ in range(7):
        episodes.add_to(buffer)
        twin.add_to(restored)
    for expected, got in zip(samples(buffer), samples(restored), strict=True):
        assert torch.equal(expected, got)


def test_each_frame_is_kept_once() -> None:
    """Stacks of three would hold it six times: in three observations, and in three next ones."""
    layout = ObservationLayout((3, 3, 36, 48), 0)
    buffer = PixelReplayBuffer(8_000, 8, layout, 1, starts=80)
    frame = 3 * 36 * 48
    assert buffer.num_bytes < 1.1 * 8_000 * frame
