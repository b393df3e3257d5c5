"""Pick and place: only the red cube counts, only on top of the cabinet, and only once the gripper
has let go."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from roborew_envs import make_task
from roborew_envs.experts.rollout import TaskEpisode, collect_episodes
from roborew_envs.tasks import arm_task
from roborew_envs.tasks.arm_task import inverse_kinematics
from roborew_envs.tasks.desk import scene as desk
from roborew_envs.tasks.desk.pick_place import CABINET_TOP, CABINET_TOP_HALF_SIZE, goal_position

TASK = make_task("roborew/PickPlace-v0")
START = TASK.sample_initial_state(np.random.default_rng(0))[0]
STILL = np.zeros((1, TASK.model.nv))
AWAY = np.array([0.30, 0.0, 0.22])


@pytest.fixture(scope="module")
def expert() -> list[TaskEpisode]:
    return collect_episodes(TASK, "expert", range(3))


def with_cube(
    cube: slice, shift: tuple[float, float, float] = (0, 0, 0), held: bool = False
) -> np.ndarray:
    """A cube ``shift`` [m] from the middle of the cabinet's top, with the hand away or around
    it."""
    qpos = START.copy()
    qpos[cube] = CABINET_TOP + [qpos[desk.CABINET], 0, 0] + shift
    qpos[arm_task.ARM_JOINTS] = inverse_kinematics((qpos[cube] if held else AWAY)[None])[0]
    qpos[arm_task.FINGER_JOINTS] = desk.CUBE_HALF_WIDTH if held else 0.0
    return qpos[None]


@pytest.mark.parametrize(
    ("state", "success"),
    [
        (with_cube(desk.RED_CUBE), True),
        (with_cube(desk.RED_CUBE, (0.05, -0.05, 0)), True),
        (with_cube(desk.RED_CUBE, held=True), False),
        (with_cube(desk.RED_CUBE, (0, 0, 0.03)), False),  # above it
        (with_cube(desk.RED_CUBE, (0, -0.12, 0)), False),  # before it
        (with_cube(desk.RED_CUBE, (0, 0, -0.118)), False),  # in the drawer below
        (with_cube(desk.BLUE_CUBE), False),
    ],
)
def test_success_is_the_red_cube_on_the_cabinet_and_free(state: np.ndarray, success: bool) -> None:
    assert TASK.success(state, STILL).item() is success


def test_the_top_is_where_the_model_has_it() -> None:
    data = mujoco.MjData(TASK.model)
    data.qpos[:] = START
    mujoco.mj_kinematics(TASK.model, data)
    cabinet = np.flatnonzero(TASK.model.geom_bodyid == TASK.model.body("cabinet").id)
    highest = cabinet[np.argmax(data.geom_xpos[cabinet, 2])]
    place, size = data.geom_xpos[highest], TASK.model.geom_size[highest]
    np.testing.assert_allclose(
        CABINET_TOP + [START[desk.CABINET], 0, 0],
        place + [0, 0, size[2] + desk.CUBE_HALF_WIDTH],
        atol=1e-12,
    )
    np.testing.assert_allclose(CABINET_TOP_HALF_SIZE, size[:2])
    assert np.all(
        np.abs(goal_position(START[None])[0] - place)[:2] + desk.CUBE_HALF_WIDTH < size[:2]
    ), "no edge of the cube sticks out"


def test_the_blue_cube_on_the_cabinet_is_no_progress() -> None:
    plain = START.copy()
    plain[arm_task.ARM_JOINTS] = inverse_kinematics(AWAY[None])[0]
    plain[arm_task.FINGER_JOINTS] = 0
    np.testing.assert_array_equal(
        TASK.progress(with_cube(desk.BLUE_CUBE), STILL), TASK.progress(plain[None], STILL)
    )


def test_the_cube_stays_there_and_the_expert_moves_nothing_else(expert: list[TaskEpisode]) -> None:
    for episode in expert:
        assert episode.success[np.argmax(episode.success) :].all()
        np.testing.assert_allclose(
            episode.qpos[-1, desk.BLUE_CUBE], episode.qpos[0, desk.BLUE_CUBE], atol=2e-3
        )
        assert abs(episode.qpos[-1, desk.DRAWER]) < 2e-3


def test_a_near_miss_keeps_the_cube_in_the_gripper() -> None:
    for episode in collect_episodes(TASK, "near_miss", range(3)):
        assert (
            np.linalg.norm(
                arm_task.ee_position(episode.qpos[-1:]) - episode.qpos[-1, desk.RED_CUBE]
            )
            < 0.02
        )
        assert not episode.success.any()
