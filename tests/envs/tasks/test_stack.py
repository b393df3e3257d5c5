"""The stack: only the red cube on the blue one counts, and only once the gripper has let go."""

from __future__ import annotations

import numpy as np
import pytest

from roborew_envs import make_task
from roborew_envs.experts.rollout import TaskEpisode, collect_episodes
from roborew_envs.tasks import arm_task
from roborew_envs.tasks.arm_task import inverse_kinematics
from roborew_envs.tasks.desk import scene as desk
from roborew_envs.tasks.desk.stack import STACK_OFFSET

TASK = make_task("roborew/Stack-v0")
START = TASK.sample_initial_state(np.random.default_rng(0))[0]
STILL = np.zeros((1, TASK.model.nv))
AWAY = np.array([0.30, 0.0, 0.22])


@pytest.fixture(scope="module")
def expert() -> list[TaskEpisode]:
    return collect_episodes(TASK, "expert", range(3))


def stacked(
    upper: slice, lower: slice, shift: tuple[float, float, float] = (0, 0, 0), held: bool = False
) -> np.ndarray:
    """One cube on the other, ``shift`` [m] from its middle, with the hand away or around the upper
    one."""
    qpos = START.copy()
    qpos[upper] = qpos[lower] + STACK_OFFSET + shift
    qpos[arm_task.ARM_JOINTS] = inverse_kinematics((qpos[upper] if held else AWAY)[None])[0]
    qpos[arm_task.FINGER_JOINTS] = desk.CUBE_HALF_WIDTH if held else 0.0
    return qpos[None]


@pytest.mark.parametrize(
    ("state", "success"),
    [
        (stacked(desk.RED_CUBE, desk.BLUE_CUBE), True),
        (stacked(desk.RED_CUBE, desk.BLUE_CUBE, (0.02, 0, 0)), True),
        (stacked(desk.RED_CUBE, desk.BLUE_CUBE, held=True), False),
        (stacked(desk.RED_CUBE, desk.BLUE_CUBE, (0, 0, 0.02)), False),  # held above it
        (stacked(desk.RED_CUBE, desk.BLUE_CUBE, (0.03, 0, 0)), False),  # about to fall
        (stacked(desk.RED_CUBE, desk.BLUE_CUBE, (0.06, 0, -STACK_OFFSET[2])), False),  # beside it
        (stacked(desk.BLUE_CUBE, desk.RED_CUBE), False),
    ],
)
def test_success_is_the_red_cube_on_the_blue_one_and_free(state: np.ndarray, success: bool) -> None:
    assert TASK.success(state, STILL).item() is success


def test_a_tower_in_the_air_is_not_a_stack() -> None:
    state = stacked(desk.RED_CUBE, desk.BLUE_CUBE)
    state[0, [desk.RED_CUBE.stop - 1, desk.BLUE_CUBE.stop - 1]] += 0.05
    assert not TASK.success(state, STILL).any()


def test_the_blue_cube_on_the_red_one_is_hardly_progress() -> None:
    apart = START.copy()
    apart[arm_task.ARM_JOINTS] = inverse_kinematics(AWAY[None])[0]
    gained = TASK.progress(stacked(desk.BLUE_CUBE, desk.RED_CUBE), STILL) - TASK.progress(
        apart[None], STILL
    )
    assert abs(gained.item()) < 0.05


def test_a_stack_stays_when_the_gripper_has_let_go(expert: list[TaskEpisode]) -> None:
    for episode in expert:
        assert episode.success[np.argmax(episode.success) :].all()
        assert episode.qpos[-1, arm_task.FINGER_JOINTS].mean() > desk.CUBE_HALF_WIDTH + 0.003


def test_the_expert_leaves_the_blue_cube_where_it_stands(expert: list[TaskEpisode]) -> None:
    for episode in expert:
        np.testing.assert_allclose(
            episode.qpos[-1, desk.BLUE_CUBE], episode.qpos[0, desk.BLUE_CUBE], atol=0.012
        )
