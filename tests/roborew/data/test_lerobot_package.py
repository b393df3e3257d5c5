"""What roborew writes opens with LeRobot itself. Skipped where lerobot is not installed: it pins
its own torch.

To run it, in an environment of its own: ``.ci/suites lerobot``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.roborew.data.sets import CAMERAS, LENGTHS, episode, frames, write

lerobot = pytest.importorskip("lerobot", reason="lerobot is not installed here")


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    root = write(tmp_path_factory.mktemp("package") / "set")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield LeRobotDataset("roborew/set", root=root, video_backend="pyav")


def test_lerobot_sees_every_frame_number_and_word(opened: Any) -> None:
    assert (opened.num_episodes, opened.num_frames, opened.fps) == (len(LENGTHS), sum(LENGTHS), 10)
    index = 0
    for number, length in enumerate(LENGTHS):
        given, pictures = (
            episode(number),
            {camera: list(frames(number, camera)) for camera in CAMERAS},
        )
        for t in range(length):
            item = opened[index]
            index += 1
            assert (item["episode_index"].item(), item["frame_index"].item()) == (number, t)
            assert item["task"] == given.instruction
            for name, values in given.columns.items():
                np.testing.assert_allclose(item[name].numpy(), values[t], rtol=1e-6)
            for camera in CAMERAS:
                found = item[f"observation.images.{camera}"].numpy().transpose(1, 2, 0) * 255
                assert np.abs(found - pictures[camera][t]).max() <= 1


def test_lerobot_opens_some_episodes_alone_and_clamps_windows_at_their_bounds(opened: Any) -> None:
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    some = LeRobotDataset("roborew/set", root=opened.root, episodes=[1, 3], video_backend="pyav")
    assert len(some) == LENGTHS[1] + LENGTHS[3]
    windows = LeRobotDataset(
        "roborew/set",
        root=opened.root,
        video_backend="pyav",
        delta_timestamps={"action": [0.0, 0.1]},
    )
    assert windows[LENGTHS[0] - 1]["action_is_pad"].tolist() == [False, True]


def test_lerobot_reads_our_statistics(opened: Any) -> None:
    assert opened.meta.stats["observation.images.front"]["mean"].shape == (3, 1, 1)
    states = np.concatenate(
        [episode(number).columns["observation.state"] for number in range(len(LENGTHS))]
    )
    np.testing.assert_allclose(
        opened.meta.stats["observation.state"]["mean"], states.mean(axis=0), atol=1e-6
    )
