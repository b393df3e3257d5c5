"""What a frame of the runner shows; its body and its truth are tested with the other runners'."""

from __future__ import annotations

import numpy as np
import pytest

from roborew_envs.rendering.renderer import Renderer
from roborew_envs.tasks.locomotion.cheetah import FINISH, Cheetah


@pytest.fixture(scope="module")
def task() -> Cheetah:
    return Cheetah()


def at(task: Cheetah, *distances: float) -> tuple[np.ndarray, np.ndarray]:
    qpos = np.tile(task.model.qpos0, (len(distances), 1))
    qpos[:, 0] = distances
    return qpos, np.zeros((len(distances), task.model.nv))


def test_success_is_beyond_the_line(task: Cheetah) -> None:
    assert task.success(*at(task, FINISH - 1e-6, FINISH, FINISH + 20)).tolist() == [
        False,
        True,
        True,
    ]


@pytest.mark.parametrize("camera", Cheetah.cameras)
def test_every_metre_looks_different_and_its_own(task: Cheetah, camera: str) -> None:
    """The nearest of the pictures of every half metre, the body in another pose, tells where it
    is."""
    distances = np.arange(0, FINISH + 0.5, 0.5)
    qpos, _ = at(task, *distances)
    posed = qpos.copy()
    posed[:, 3:] += np.random.default_rng(0).uniform(-0.3, 0.3, posed[:, 3:].shape)
    with Renderer(task.model, 48, 36) as renderer:
        known, seen = (renderer.render(states, camera).astype(float) for states in (qpos, posed))
    apart = np.abs(seen[:, None] - known[None]).mean(axis=(2, 3, 4))
    assert np.abs(distances[apart.argmin(axis=1)] - distances).max() <= 0.5


def test_the_body_stands_out_from_its_background(task: Cheetah) -> None:
    """Without the body many pixels of the frame look otherwise, by much."""
    qpos, _ = at(task, 0.5, 3.5, 7.5, 11)
    gone = qpos.copy()
    gone[:, 1] = 50.0
    camera = "stand"  # it stays where it is; here only its direction follows, so it looks away
    with Renderer(task.model, 96, 72) as renderer:
        assert not np.array_equal(renderer.render(qpos, camera), renderer.render(gone, camera))
        side = renderer.render(qpos, "side").astype(int)
    dark = side.max(axis=-1) < 70
    assert (dark.mean(axis=(1, 2)) > 0.01).all()
