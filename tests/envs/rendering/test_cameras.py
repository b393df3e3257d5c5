"""Cameras: the wrist's sees what the fingers do, the fixed ones what a task is about and that it is
done."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from roborew_envs import TASKS, make_task
from roborew_envs.experts.behaviors import available_behaviors
from roborew_envs.experts.rollout import collect_episodes
from roborew_envs.rendering.renderer import Renderer
from roborew_envs.tasks.arm_task import ArmTask, ee_position
from tests.contract.versions import FIRST_VERSIONS

SCRIPTED = [task_id for task_id in TASKS if make_task(task_id).scripted_policy is not None]


def seen_at(task: ArmTask, qpos: np.ndarray, camera: str, place: np.ndarray) -> np.ndarray:
    """Where a place [m] falls in the picture of a 4:3 camera: -1 to 1 to the right, and up; NaN
    behind the camera."""
    data = mujoco.MjData(task.model)
    data.qpos[:] = qpos
    mujoco.mj_kinematics(task.model, data)
    mujoco.mj_camlight(task.model, data)
    right, up, back = (place - data.camera(camera).xpos) @ data.camera(camera).xmat.reshape(3, 3)
    half = np.tan(np.deg2rad(task.model.camera(camera).fovy.item()) / 2)
    return np.array([right * 3 / 4, up]) / (-back * half) if back < 0 else np.full(2, np.nan)


def starts(task: ArmTask) -> np.ndarray:
    return np.stack(
        [task.sample_initial_state(np.random.default_rng(seed))[0] for seed in range(20)]
    )


@pytest.mark.parametrize("task_id", SCRIPTED)
def test_what_a_task_is_about_is_in_sight_from_the_start(task_id: str) -> None:
    task = make_task(task_id)
    assert isinstance(task, ArmTask) and task.scripted_policy is not None
    assert {"front", "side", "wrist"} <= set(task.cameras)
    qpos = starts(task)
    for state, place in zip(qpos, task.scripted_policy.hover_position(qpos), strict=True):
        for camera in ("front", "side"):
            assert np.abs(seen_at(task, state, camera, place)).max() < 0.95, camera


@pytest.mark.parametrize("task_id", ["roborew/Stack-v0", "roborew/Sweep-v0"])
def test_the_wrists_camera_sees_the_finger_tips_and_the_table_below(task_id: str) -> None:
    """It once looked up along the arm: lit, varied, and of no use."""
    task = make_task(task_id)
    assert isinstance(task, ArmTask)
    qpos = starts(task)
    for state, tips in zip(qpos, ee_position(qpos), strict=True):
        assert np.abs(seen_at(task, state, "wrist", tips)).max() < 0.6
        assert np.abs(seen_at(task, state, "wrist", tips * [1, 1, 0])).max() < 0.95


@pytest.mark.parametrize(
    "task_id",
    [task_id for task_id in FIRST_VERSIONS if "expert" in available_behaviors(make_task(task_id))],
)
def test_success_looks_unlike_the_start(task_id: str) -> None:
    task = make_task(task_id)
    episode = max(
        collect_episodes(task, "expert", range(3)), key=lambda episode: episode.success.sum()
    )
    qpos = episode.qpos[[0, int(np.argmax(episode.success))]]
    with Renderer(task.model, threads=1) as renderer:
        frames = renderer.render(qpos, task.cameras[0], task.visual_overrides(qpos)).astype(int)
    assert (np.abs(frames[1] - frames[0]).max(axis=-1) > 20).mean() > 0.005
