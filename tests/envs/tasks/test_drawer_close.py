"""The drawer that should be closed: it starts open with nothing in its way; what counts as
closed."""

from __future__ import annotations

import numpy as np

from roborew_envs import make_task
from roborew_envs.experts.rollout import collect_episodes
from roborew_envs.tasks import arm_task
from roborew_envs.tasks.desk import scene as desk

TASK = make_task("roborew/DrawerClose-v0")


def test_the_drawer_is_closed_from_one_travel_on_and_progress_leads_there() -> None:
    qpos = np.tile(TASK.sample_initial_state(np.random.default_rng(0))[0], (60, 1))
    qpos[:, desk.DRAWER] = np.linspace(desk.DRAWER_TRAVEL, 0, 60)
    still = np.zeros((60, TASK.model.nv))
    np.testing.assert_array_equal(
        TASK.success(qpos, still), qpos[:, desk.DRAWER] <= desk.CLOSED_TRAVEL
    )
    progress = TASK.progress(qpos, still)[qpos[:, desk.DRAWER] > desk.CLOSED_TRAVEL]
    assert progress[-1] > progress[0] + 0.5
    assert np.all(np.diff(progress) > 0), "the hand's distance from the handle weighs less"


def test_it_starts_open_with_hand_and_cubes_out_of_its_way() -> None:
    starts = np.stack(
        [TASK.sample_initial_state(np.random.default_rng(seed))[0] for seed in range(100)]
    )
    assert np.all(starts[:, desk.DRAWER] > desk.OPEN_TRAVEL)
    front = desk.drawer_handle_position(starts)[:, 1:2]
    reached = (
        np.column_stack([starts[:, desk.RED_CUBE][:, 1], starts[:, desk.BLUE_CUBE][:, 1]])
        + desk.CUBE_HALF_WIDTH
    )
    assert np.all(reached < front) and np.all(arm_task.ee_position(starts)[:, 1:2] < front)


def test_the_expert_leaves_the_cubes_and_the_button_alone() -> None:
    others = [
        desk.BUTTON,
        *range(desk.RED_CUBE.start, desk.RED_CUBE.stop),
        *range(desk.BLUE_CUBE.start, desk.BLUE_CUBE.stop),
    ]
    for episode in collect_episodes(TASK, "expert", range(3)):
        np.testing.assert_allclose(episode.qpos[-1, others], episode.qpos[0, others], atol=5e-3)
        assert episode.success[np.argmax(episode.success) :].all(), "it does not slide open again"


def test_the_drawer_stays_ajar_where_a_near_miss_leaves_it() -> None:
    for episode in collect_episodes(TASK, "near_miss", range(3)):
        out = episode.qpos[:, desk.DRAWER]
        assert desk.CLOSED_TRAVEL < out[-1] < 0.7 * out[0] and np.ptp(out[-10:]) < 2e-3
