"""What every registered environment shows: which state a frame is of, and that a camera sees it,
upright and lit."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import pytest

from roborew_envs import TaskVectorEnv, make_task
from roborew_envs.rendering.renderer import Renderer, backend
from tests.contract.versions import FIRST_VERSIONS

WIDTH, HEIGHT = 48, 36

every_task = pytest.mark.parametrize("task_id", FIRST_VERSIONS)

REFERENCE = f"""
import sys
import mujoco, numpy as np
from roborew_envs import make_task
from tests.contract.test_frames import with_small_shadows
frames = {{}}
for task_id in sys.argv[2:]:
    task = make_task(task_id)
    model = with_small_shadows(task.model)
    data = mujoco.MjData(model)
    data.qpos[:] = task.sample_initial_state(np.random.default_rng(0))[0]
    mujoco.mj_forward(model, data)
    with mujoco.Renderer(model, {HEIGHT}, {WIDTH}) as renderer:
        for camera in task.cameras:
            renderer.update_scene(data, camera)
            frames[task_id + "|" + camera] = renderer.render()
np.savez(sys.argv[1], **frames)
"""


def with_small_shadows(model: mujoco.MjModel) -> mujoco.MjModel:
    """A copy whose shadows are as coarse as its frames here, since fine ones take most of the time."""
    coarse = copy.deepcopy(model)
    coarse.vis.quality.shadowsize = 256
    return coarse


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    """What `mujoco.Renderer` draws; in another process, since MuJoCo chooses its OpenGL once, at
    import."""
    path: Path = tmp_path_factory.mktemp("frames") / "reference.npz"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "MUJOCO_GL": backend()}
    subprocess.run(
        [sys.executable, "-c", REFERENCE, str(path), *FIRST_VERSIONS],
        check=True,
        env=environment,
        timeout=240,
    )
    with np.load(path) as frames:
        return dict(frames)


def make(task_id: str, **kwargs: Any) -> TaskVectorEnv:
    settings = {
        "num_envs": 3,
        "render_mode": "rgb_array",
        "width": WIDTH,
        "height": HEIGHT,
    } | kwargs
    return TaskVectorEnv(make_task(task_id), **settings)


@cache
def draw(task_id: str, quality: Any) -> dict[str, np.ndarray]:
    """The start of seed 0 through every camera."""
    task = make_task(task_id)
    model = with_small_shadows(task.model)
    qpos = task.sample_initial_state(np.random.default_rng(0))[0][None]
    with Renderer(model, WIDTH, HEIGHT, quality, threads=1) as renderer:
        return {camera: renderer.render(qpos, camera)[0] for camera in task.cameras}


@every_task
def test_full_quality_is_what_mujoco_itself_draws(
    task_id: str, reference: dict[str, np.ndarray]
) -> None:
    for camera, frame in draw(task_id, "full").items():
        np.testing.assert_array_equal(frame, reference[f"{task_id}|{camera}"], err_msg=camera)


@every_task
def test_fast_quality_shows_the_same_scene_upright(
    task_id: str, reference: dict[str, np.ndarray]
) -> None:
    for camera, frame in draw(task_id, "fast").items():
        expected = reference[f"{task_id}|{camera}"].astype(float)
        turned = (frame, frame[::-1], frame[:, ::-1], frame[::-1, ::-1], frame[..., ::-1])
        errors = [np.abs(candidate - expected).mean() for candidate in turned]
        assert int(np.argmin(errors)) == 0, (camera, errors)
        assert errors[0] < 40, camera


@every_task
def test_every_camera_sees_a_lit_and_varied_scene(task_id: str) -> None:
    task = make_task(task_id)
    assert len(task.cameras) >= 2
    frames = draw(task_id, "fast")
    for camera, frame in frames.items():
        assert frame.shape == (HEIGHT, WIDTH, 3) and frame.dtype == np.uint8
        assert 40 < frame.mean() < 230, camera
        assert frame.std() > 15, camera
    assert len({frame.tobytes() for frame in frames.values()}) == len(frames)


@every_task
def test_motion_is_visible_through_the_first_camera(task_id: str) -> None:
    env = make(task_id)
    env.reset(seed=0)
    first = env.render_frames()
    action = np.random.default_rng(0).choice([-1.0, 1.0], env.action_space.shape)
    for _ in range(10):
        env.step(action)
    moved = np.abs(env.render_frames().astype(int) - first).max(axis=-1) > 10
    env.close()
    assert (moved.mean(axis=(1, 2)) > 0.005).all()


@every_task
@pytest.mark.parametrize("mode", ["NextStep", "Disabled"])
def test_the_frame_at_an_episodes_end_is_of_its_last_state(task_id: str, mode: str) -> None:
    """A reward that reads the next episode's first frame pays every last action wrongly."""
    env, longer = make(task_id, autoreset_mode=mode), make(task_id)
    actions = np.random.default_rng(0).uniform(-1, 1, (3, *env.action_space.shape))
    env.reset(seed=0), longer.reset(seed=0)
    env.core.steps[:] = env.task.horizon - 2
    for action in actions[:2]:
        truncated = env.step(action)[3]
        longer.step(action)
    assert truncated.all()
    np.testing.assert_array_equal(env.render_frames(), longer.render_frames())
    if mode == "NextStep":
        env.step(actions[2])
    else:
        env.reset(options={"reset_mask": truncated})
    started = env.render_frames()
    assert not np.array_equal(started, longer.render_frames())
    longer.core.simulation.state[:] = env.core.simulation.state
    np.testing.assert_array_equal(started, longer.render_frames())
    env.close()
    longer.close()


@every_task
def test_drawing_some_is_drawing_all_and_choosing(task_id: str) -> None:
    env = make(task_id, num_envs=5)
    env.reset(seed=0)
    together = env.render()
    assert len(together) == 5
    np.testing.assert_array_equal(
        env.render_frames(np.array([4, 1])), np.stack([together[4], together[1]])
    )
    assert env.render_frames(np.array([], np.int64)).shape == (0, HEIGHT, WIDTH, 3)
    env.close()


@every_task
def test_drawing_changes_no_state(task_id: str) -> None:
    watched, blind = make(task_id), make(task_id)
    watched.reset(seed=0), blind.reset(seed=0)
    for action in np.random.default_rng(0).uniform(-1, 1, (5, *watched.action_space.shape)):
        watched.render_frames()
        np.testing.assert_array_equal(watched.step(action)[0], blind.step(action)[0])
    watched.close()
    blind.close()
