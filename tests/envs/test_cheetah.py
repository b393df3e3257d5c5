"""The runner's dynamics are Gymnasium's; its truth is the way run; one frame shows how far."""

from __future__ import annotations

import gymnasium
import mujoco
import numpy as np
import pytest

from roborew_envs.cheetah import FINISH, Cheetah
from roborew_envs.rendering import Renderer


@pytest.fixture(scope="module")
def task() -> Cheetah:
    return Cheetah()


def at(task: Cheetah, *distances: float) -> tuple[np.ndarray, np.ndarray]:
    qpos = np.tile(task.model.qpos0, (len(distances), 1))
    qpos[:, 0] = distances
    return qpos, np.zeros((len(distances), task.model.nv))


@pytest.mark.filterwarnings("ignore:.*settotalmass.*:UserWarning")
def test_it_moves_as_half_cheetah_does(task: Cheetah) -> None:
    with gymnasium.make("HalfCheetah-v5") as env:
        env.reset(seed=0)
        theirs, ours = env.unwrapped, mujoco.MjData(task.model)
        ours.qpos[:], ours.qvel[:] = theirs.data.qpos, theirs.data.qvel
        for action in np.random.default_rng(0).uniform(-1, 1, (20, 6)):
            env.step(action)
            ours.ctrl[:] = action
            mujoco.mj_step(task.model, ours, task.substeps)
        np.testing.assert_allclose(ours.qpos, theirs.data.qpos, atol=1e-6)
        assert task.substeps == theirs.frame_skip and task.model.opt.timestep == theirs.model.opt.timestep


def test_progress_is_the_share_of_the_way_to_the_line(task: Cheetah) -> None:
    progress = task.progress(*at(task, -3, 0, FINISH / 4, FINISH / 2, 0.98 * FINISH, FINISH, FINISH + 5))
    np.testing.assert_allclose(progress, [0, 0, 0.25, 0.5, 0.98, 1, 1])


def test_stages_are_start_run_and_finished(task: Cheetah) -> None:
    assert task.stage(*at(task, -1, 0.5, 1.5, 9.9, 10)).tolist() == [0, 0, 1, 1, 2]


def test_success_is_beyond_the_line(task: Cheetah) -> None:
    assert task.success(*at(task, FINISH - 1e-6, FINISH, FINISH + 20)).tolist() == [False, True, True]


@pytest.mark.parametrize("camera", Cheetah.cameras)
def test_every_metre_looks_different_and_its_own(task: Cheetah, camera: str) -> None:
    """The nearest of the pictures of every half metre, the body in another pose, tells where it is."""
    distances = np.arange(0, FINISH + 0.5, 0.5)
    qpos, _ = at(task, *distances)
    posed = qpos.copy()
    posed[:, 3:] += np.random.default_rng(0).uniform(-0.3, 0.3, posed[:, 3:].shape)
    with Renderer(task.model, 48, 36) as renderer:
        known, seen = (renderer.draw(states, camera).astype(float) for states in (qpos, posed))
    apart = np.abs(seen[:, None] - known[None]).mean(axis=(2, 3, 4))
    assert np.abs(distances[apart.argmin(axis=1)] - distances).max() <= 0.5


def test_the_body_stands_out_from_its_background(task: Cheetah) -> None:
    """Without the body many pixels of the frame look otherwise, by much."""
    qpos, _ = at(task, 0.5, 3.5, 7.5, 11)
    gone = qpos.copy()
    gone[:, 1] = 50.0
    camera = "stand"  # it stays where it is; here only its direction follows, so it looks away
    with Renderer(task.model, 96, 72) as renderer:
        assert not np.array_equal(renderer.draw(qpos, camera), renderer.draw(gone, camera))
        side = renderer.draw(qpos, "side").astype(int)
    dark = side.max(axis=-1) < 70
    assert (dark.mean(axis=(1, 2)) > 0.01).all()
