"""The tap: the water runs from one angle of the lever on, and the lever stays where it is left."""

from __future__ import annotations

import numpy as np

from roborew_envs import make_task
from roborew_envs.experts.rollout import collect_episodes
from roborew_envs.tasks.bench import scene as bench

TASK = make_task("roborew/TapTurn-v0")


def test_the_water_runs_from_one_angle_on_and_progress_leads_there() -> None:
    qpos = np.tile(TASK.sample_initial_state(np.random.default_rng(0))[0], (60, 1))
    qpos[:, bench.LEVER] = np.linspace(0, bench.LEVER_TRAVEL, 60)
    still = np.zeros((60, TASK.model.nv))
    np.testing.assert_array_equal(
        TASK.success(qpos, still), qpos[:, bench.LEVER] >= bench.RUNNING_ANGLE
    )
    short = qpos[:, bench.LEVER] < bench.RUNNING_ANGLE
    assert np.all(np.diff(TASK.progress(qpos, still)[short]) > 0)


def test_the_expert_touches_the_tap_alone() -> None:
    others = [bench.DOOR, *range(bench.BLUE_PEG.start, bench.SOCKET.start)]
    for episode in collect_episodes(TASK, "expert", range(3)):
        np.testing.assert_allclose(episode.qpos[-1, others], episode.qpos[0, others], atol=5e-3)


def test_undo_turns_the_water_off_again() -> None:
    for episode in collect_episodes(TASK, "undo", range(3)):
        assert episode.success.any() and episode.qpos[-1, bench.LEVER] < 0.3 * bench.RUNNING_ANGLE
