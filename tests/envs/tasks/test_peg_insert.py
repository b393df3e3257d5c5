"""The peg: only the blue one counts, upright and down in the socket; the gripper lets it go
there."""

from __future__ import annotations

import numpy as np
import pytest

from roborew_envs import make_task
from roborew_envs.experts.rollout import TaskEpisode, collect_episodes
from roborew_envs.tasks.arm_task import FINGER_JOINTS, FINGER_TRAVEL
from roborew_envs.tasks.bench import scene as bench

TASK = make_task("roborew/PegInsert-v0")


@pytest.fixture(scope="module")
def expert() -> list[TaskEpisode]:
    return collect_episodes(TASK, "expert", range(4))


def with_peg(peg: slice, height: float, tilt: float = 0.0) -> np.ndarray:
    """A start with the peg in the socket's middle, its centre at ``height`` [m], tilted by ``tilt``
    [rad]."""
    qpos = TASK.sample_initial_state(np.random.default_rng(0))[0]
    qpos[peg] = *qpos[bench.SOCKET], height
    qpos[peg.stop : peg.stop + 4] = np.cos(tilt / 2), np.sin(tilt / 2), 0, 0
    return qpos[None]


@pytest.mark.parametrize(
    ("peg", "height", "tilt", "success"),
    [
        (bench.BLUE_PEG, bench.PEG_HEIGHT, 0.0, True),
        (bench.BLUE_PEG, bench.PEG_HEIGHT, np.pi, True),  # upside down is upright
        (bench.BLUE_PEG, bench.PEG_HEIGHT + 0.03, 0.0, False),  # held above the socket
        (bench.BLUE_PEG, bench.PEG_HEIGHT, np.pi / 2, False),  # lies on top
        (bench.ORANGE_PEG, bench.PEG_HEIGHT, 0.0, False),
    ],
)
def test_success_is_the_blue_peg_upright_and_down(
    peg: slice, height: float, tilt: float, success: bool
) -> None:
    still = np.zeros((1, TASK.model.nv))
    assert TASK.success(with_peg(peg, height, tilt), still).item() is success


def test_the_peg_stays_inserted_when_the_gripper_has_let_it_go(expert: list[TaskEpisode]) -> None:
    for episode in expert:
        assert (
            episode.success[-20:].all()
            and episode.qpos[-1, FINGER_JOINTS].min() > 0.8 * FINGER_TRAVEL
        )


def test_progress_rises_all_along_the_way_of_the_expert(expert: list[TaskEpisode]) -> None:
    for episode in expert:
        progress = episode.progress[: np.argmax(episode.success) + 1]
        assert np.max(np.maximum.accumulate(progress) - progress) < 0.12


def test_the_stages_follow_each_other(expert: list[TaskEpisode]) -> None:
    for episode in expert:
        firsts = [np.argmax(episode.stage >= stage) for stage in range(len(TASK.stages))]
        assert np.all(np.diff(firsts) > 0)
