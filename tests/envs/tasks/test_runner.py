"""Cheetah, hopper, walker and ant: their dynamics are Gymnasium's, their truth is the way gone on
their feet."""

from __future__ import annotations

import gymnasium
import mujoco
import numpy as np
import pytest

from roborew_envs import make_task
from roborew_envs.tasks.locomotion.runner import Runner

THEIRS = {
    "roborew/Cheetah-v0": "HalfCheetah-v5",
    "roborew/Hopper-v0": "Hopper-v5",
    "roborew/Walker-v0": "Walker2d-v5",
    "roborew/Ant-v0": "Ant-v5",
}

every_runner = pytest.mark.parametrize("task_id", THEIRS)


def runner(task_id: str) -> Runner:
    task = make_task(task_id)
    assert isinstance(task, Runner)
    return task


def at(task: Runner, *distances: float) -> tuple[np.ndarray, np.ndarray]:
    qpos = np.tile(task.sample_initial_state(np.random.default_rng(0))[0], (len(distances), 1))
    qpos[:, 0] = distances
    return qpos, np.zeros((len(distances), task.model.nv))


@every_runner
@pytest.mark.filterwarnings("ignore:.*settotalmass.*:UserWarning")
def test_it_moves_as_gymnasiums_body_does(task_id: str) -> None:
    task, ours = runner(task_id), None
    with gymnasium.make(THEIRS[task_id]) as env:
        env.reset(seed=0)
        theirs, ours = env.unwrapped, mujoco.MjData(task.model)
        ours.qpos[:], ours.qvel[:] = theirs.data.qpos, theirs.data.qvel
        for action in np.random.default_rng(0).uniform(-1, 1, (10, task.action_size)):
            env.step(action)
            ours.ctrl[:] = action
            mujoco.mj_step(task.model, ours, theirs.frame_skip)
        np.testing.assert_allclose(ours.qpos, theirs.data.qpos, atol=1e-6)
        assert task.model.opt.timestep == theirs.model.opt.timestep
    if task_id in ("roborew/Cheetah-v0", "roborew/Ant-v0"):
        assert task.substeps == theirs.frame_skip


@every_runner
def test_progress_is_the_share_of_the_way_to_the_line(task_id: str) -> None:
    task = runner(task_id)
    progress = task.progress(
        *at(task, -3, 0, task.finish_x / 4, 0.98 * task.finish_x, task.finish_x, task.finish_x + 5)
    )
    np.testing.assert_allclose(progress, [0, 0, 0.25, 0.98, 1, 1])


@every_runner
def test_stages_follow_the_way(task_id: str) -> None:
    task = runner(task_id)
    assert task.stage(*at(task, -1, 0.5, 1.5, task.finish_x)).tolist() == [0, 0, 1, 2]


@every_runner
def test_standing_still_on_the_line_is_no_progress(task_id: str) -> None:
    task = runner(task_id)
    assert task.progress(*at(task, 0.0))[0] == 0


@every_runner
@pytest.mark.parametrize("turn", [np.pi / 2, np.pi], ids=["on nose or side", "on its back"])
def test_a_body_that_lies_beyond_the_line_has_not_arrived(task_id: str, turn: float) -> None:
    task = runner(task_id)
    qpos, qvel = at(task, task.finish_x + 1)
    if task_id == "roborew/Ant-v0":
        qpos[:, 3:7] = np.cos(turn / 2), np.sin(turn / 2), 0, 0
    else:
        qpos[:, 1], qpos[:, 2] = 0.2, turn
    assert not task.success(qpos, qvel).any() and task.progress(qpos, qvel).max() == 0


def test_an_ant_that_left_its_lane_has_not_arrived() -> None:
    task = runner("roborew/Ant-v0")
    qpos, qvel = at(task, task.finish_x + 1)
    qpos[:, 1] = 2.5
    assert not task.success(qpos, qvel).any()


def test_an_ant_arrives_tilted_by_40_degrees_and_not_by_50() -> None:
    task = runner("roborew/Ant-v0")
    qpos, qvel = at(task, *[task.finish_x + 1] * 4)
    half = np.deg2rad([40, 40, 50, 50]) / 2
    qpos[:, 3:7] = 0
    qpos[:, 3], qpos[range(4), [4, 5, 4, 5]] = (
        np.cos(half),
        np.sin(half),
    )  # to the side, and over the front
    assert task.success(qpos, qvel).tolist() == [True, True, False, False]
