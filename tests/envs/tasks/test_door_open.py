"""The door: what counts as open, and that the expert moves nothing else."""

from __future__ import annotations

import numpy as np

from roborew_envs import make_task
from roborew_envs.experts.rollout import collect_episodes
from roborew_envs.tasks.bench import scene as bench

TASK = make_task("roborew/DoorOpen-v0")


def test_the_door_is_open_from_one_angle_on_and_progress_leads_there() -> None:
    qpos = np.tile(TASK.sample_initial_state(np.random.default_rng(0))[0], (60, 1))
    qpos[:, bench.DOOR] = np.linspace(0, bench.DOOR_TRAVEL, 60)
    still = np.zeros((60, TASK.model.nv))
    np.testing.assert_array_equal(
        TASK.success(qpos, still), qpos[:, bench.DOOR] >= bench.OPEN_ANGLE
    )
    ajar = qpos[:, bench.DOOR] < bench.OPEN_ANGLE
    assert np.all(np.diff(TASK.progress(qpos, still)[ajar]) > 0)


def test_the_expert_touches_the_door_alone() -> None:
    others = [bench.LEVER, *range(bench.BLUE_PEG.start, bench.SOCKET.start)]
    for episode in collect_episodes(TASK, "expert", range(3)):
        np.testing.assert_allclose(episode.qpos[-1, others], episode.qpos[0, others], atol=5e-3)


def test_the_door_stays_where_a_near_miss_leaves_it() -> None:
    for episode in collect_episodes(TASK, "near_miss", range(3)):
        angle = episode.qpos[:, bench.DOOR]
        assert 0.4 * bench.OPEN_ANGLE < angle[-1] < bench.OPEN_ANGLE and np.ptp(angle[-10:]) < 0.02
