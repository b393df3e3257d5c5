"""Tidying up: the red cube inside and the drawer closed, both; a closed drawer without it is worth
less than an open one."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from roborew_envs import make_task
from roborew_envs.experts.rollout import TaskEpisode, collect_episodes
from roborew_envs.tasks.desk import scene as desk
from roborew_envs.tasks.desk.tidy import DRAWER_HALF_SIZE, is_in_drawer

TASK = make_task("roborew/Tidy-v0")
START = TASK.sample_initial_state(np.random.default_rng(0))[0]
STILL = np.zeros((1, TASK.model.nv))


@pytest.fixture(scope="module")
def expert() -> list[TaskEpisode]:
    return collect_episodes(TASK, "expert", range(3))


def state(
    inside: slice | None, out: float, shift: tuple[float, float, float] = (0, 0, 0)
) -> np.ndarray:
    """The drawer ``out`` [m], with a cube in it, ``shift`` [m] from its middle, or with none."""
    qpos = START[None].copy()
    qpos[:, desk.DRAWER] = out
    if inside is not None:
        qpos[:, inside] = desk.drawer_to_world(qpos, desk.DRAWER_CENTER + shift)
    return qpos


@pytest.mark.parametrize(
    ("qpos", "success"),
    [
        (state(desk.RED_CUBE, 0), True),
        (state(desk.RED_CUBE, desk.CLOSED_TRAVEL, (0.03, -0.03, 0)), True),
        (state(desk.RED_CUBE, 0.03), False),  # ajar
        (state(None, 0), False),  # closed and empty
        (state(desk.BLUE_CUBE, 0), False),  # the wrong cube
        (state(desk.RED_CUBE, 0, (0, 0, 0.118)), False),  # on top of the cabinet
    ],
)
def test_success_is_the_red_cube_in_the_closed_drawer(qpos: np.ndarray, success: bool) -> None:
    assert TASK.success(qpos, STILL).item() is success


def test_to_close_the_drawer_gains_only_with_the_cube_inside() -> None:
    outs = np.linspace(desk.DRAWER_TRAVEL, 0.02, 20)
    filled, empty = (
        [TASK.progress(state(cube, out), STILL).item() for out in outs]
        for cube in (desk.RED_CUBE, None)
    )
    assert np.all(np.diff(filled) > 0) and np.all(np.diff(empty) <= 1e-12)
    assert min(filled) > max(empty) + 0.3


def test_a_cube_in_the_drawer_lies_on_its_floor_and_moves_with_it() -> None:
    data = mujoco.MjData(TASK.model)
    for out in (0.0, 0.1):
        data.qpos[:] = qpos = state(desk.RED_CUBE, out)[0]
        mujoco.mj_kinematics(TASK.model, data)
        floor = data.geom("drawer_floor").xpos + [
            0,
            0,
            TASK.model.geom("drawer_floor").size[2] + desk.CUBE_HALF_WIDTH,
        ]
        assert np.all(np.abs(qpos[desk.RED_CUBE] - floor) < DRAWER_HALF_SIZE)
        assert (
            is_in_drawer(qpos[None], desk.RED_CUBE).all()
            and not is_in_drawer(qpos[None], desk.BLUE_CUBE).any()
        )


def test_the_cube_stays_inside_while_the_expert_closes_the_drawer(
    expert: list[TaskEpisode],
) -> None:
    for episode in expert:
        inside = is_in_drawer(episode.qpos, desk.RED_CUBE)
        assert inside[np.argmax(inside) :].all() and episode.success[-1]
        np.testing.assert_allclose(
            episode.qpos[-1, desk.BLUE_CUBE], episode.qpos[0, desk.BLUE_CUBE], atol=2e-3
        )


def test_undo_opens_the_drawer_again_with_the_cube_in_it() -> None:
    for episode in collect_episodes(TASK, "undo", range(2)):
        assert episode.success.any() and not episode.success[-1]
        assert (
            is_in_drawer(episode.qpos[-1:], desk.RED_CUBE).all()
            and episode.qpos[-1, desk.DRAWER] > 0.05
        )
