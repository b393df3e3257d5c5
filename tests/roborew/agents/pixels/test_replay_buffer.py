"""A replay of pictures gives back what was put in, though it keeps each frame once."""

from __future__ import annotations

import errno
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Dict

from roborew.agents.pixels.frame_store import FrameFile, FrameRing
from roborew.agents.pixels.layout import ObservationLayout
from roborew.agents.pixels.replay_buffer import PixelReplayBuffer
from roborew.agents.sac.agent import SAC
from roborew.agents.sac.config import SACConfig
from roborew.errors import DiskFullError
from roborew.storage import record_file

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


def buffer_of(rows: int, starts: int = 40, file: Path | None = None) -> PixelReplayBuffer:
    """A buffer whose frames lie in memory, with room for so many starts, or in a file with room for all."""
    size = LAYOUT.frame_size
    ring = FrameRing((rows + 8) * NUM_ENVS + starts, size)
    frames = ring if file is None else FrameFile(file, size)
    return PixelReplayBuffer(rows * NUM_ENVS, NUM_ENVS, LAYOUT, 1, frames)


def samples(buffer: PixelReplayBuffer) -> tuple[torch.Tensor, torch.Tensor]:
    batch = buffer.sample(200, 1, 0.9, torch.Generator().manual_seed(0))
    return batch.observations, batch.next_observations


@pytest.mark.parametrize("place", [None, "new/frames.bin"], ids=["memory", "file"])
@pytest.mark.parametrize("length", [1, 2.5, 30])
@pytest.mark.parametrize("steps", [1, 9, 50], ids=["one", "full", "overwritten"])
def test_a_sample_is_what_was_added(
    steps: int, length: float, place: str | None, tmp_path: Path
) -> None:
    file = None if place is None else tmp_path / place
    episodes, buffer = Episodes(0, length), buffer_of(9, file=file)
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


@pytest.mark.parametrize("place", [None, "frames.bin"], ids=["memory", "file"])
@pytest.mark.parametrize("steps", [5, 30])
def test_a_buffer_that_was_read_back_goes_on_as_the_first(
    steps: int, place: str | None, tmp_path: Path
) -> None:
    file = None if place is None else tmp_path / place
    episodes, buffer = Episodes(2, 4), buffer_of(9, file=file)
    for _ in range(steps):
        episodes.add_to(buffer)
    state = buffer.state_dict()
    later = [samples(buffer)]
    for _ in range(7):
        episodes.add_to(buffer)
        later.append(samples(buffer))
    # What was written to the file after the state was taken is still there.
    restored = buffer_of(9, file=file)
    restored.load_state_dict(state)
    twin = Episodes(2, 4)
    for _ in range(steps):
        twin.add_to(buffer_of(9))
    again = [samples(restored)]
    for _ in range(7):
        twin.add_to(restored)
        again.append(samples(restored))
    for expected, got in zip(later, again, strict=True):
        assert all(map(torch.equal, expected, got))


def test_frames_in_a_file_are_in_no_checkpoint_and_take_no_room_before_they_come(
    tmp_path: Path,
) -> None:
    episodes = Episodes(3, 4)
    in_memory, in_file = buffer_of(9), buffer_of(9, file=tmp_path / "frames.bin")
    episodes.add_to(in_memory)
    episodes.add_to(in_file)
    assert in_memory.state_dict().keys() - in_file.state_dict().keys() == {"frames/frames"}
    few = FrameFile(tmp_path / "large.bin", 10**3)
    few.append(np.ones((2, 10**3), np.uint8))
    assert (tmp_path / "large.bin").stat().st_blocks * 512 < 10**6


def test_a_disk_that_is_full_is_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = FrameFile(tmp_path / "frames.bin", 4)

    class Full(FileIO):
        def write(self, *_: Any) -> Any:
            raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr(record_file, "FileIO", Full)
    with pytest.raises(DiskFullError, match="--resume"):
        frames.append(np.ones((1, 4), np.uint8))


def test_each_frame_is_kept_once() -> None:
    """Stacks of three would hold it six times: in three observations, and in three next ones."""
    layout = ObservationLayout((3, 3, 36, 48), 0)
    env = Box(0, 255, layout.stack, np.uint8)
    agent = SAC(Dict({"pixels": env}), Box(-1, 1, (1,)), SACConfig(buffer_size=8_000))
    needed = agent.replay_bytes(8, 8_000) + agent.picture_bytes(8, 8_000)
    assert needed < 1.2 * 8_000 * layout.frame_size
