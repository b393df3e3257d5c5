"""The stack: only the red cube on the blue one counts, and only once the gripper has let go."""

from __future__ import annotations

import numpy as np
import pytest

from roborew_envs import make_task
from roborew_envs.experts.rollout import TaskEpisode, collect_episodes
from roborew_envs.tasks.arm_kinematics import arm_joints
from roborew_envs.tasks.desk import scene as desk
from roborew_envs.tasks.desk.stack import ON_TOP

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
    qpos[upper] = qpos[lower] + ON_TOP + shift
    qpos[desk.ARM] = arm_joints((qpos[upper] if held else AWAY)[None])[0]
    qpos[desk.FINGERS] = desk.CUBE if held else 0.0
    return qpos[None]


@pytest.mark.parametrize(
    ("state", "success"),
    [
        (stacked(desk.RED, desk.BLUE), True),
        (stacked(desk.RED, desk.BLUE, (0.02, 0, 0)), True),
        (stacked(desk.RED, desk.BLUE, held=True), False),
        (stacked(desk.RED, desk.BLUE, (0, 0, 0.02)), False),  # held above it
        (stacked(desk.RED, desk.BLUE, (0.03, 0, 0)), False),  # about to fall
        (stacked(desk.RED, desk.BLUE, (0.06, 0, -ON_TOP[2])), False),  # beside it
        (stacked(desk.BLUE, desk.RED), False),
    ],
)
def test_success_is_the_red_cube_on_the_blue_one_and_free(state: np.ndarray, success: bool) -> None:
    assert TASK.success(state, STILL).item() is success


def test_a_tower_in_the_air_is_not_a_stack() -> None:
    state = stacked(desk.RED, desk.BLUE)
    state[0, [desk.RED.stop - 1, desk.BLUE.stop - 1]] += 0.05
    assert not TASK.success(state, STILL).any()


def test_the_blue_cube_on_the_red_one_is_hardly_progress() -> None:
    apart = START.copy()
    apart[desk.ARM] = arm_joints(AWAY[None])[0]
    gained = TASK.progress(stacked(desk.BLUE, desk.RED), STILL) - TASK.progress(apart[None], STILL)
    assert abs(gained.item()) < 0.05


def test_a_stack_stays_when_the_gripper_has_let_go(expert: list[TaskEpisode]) -> None:
    for episode in expert:
        assert episode.success[np.argmax(episode.success) :].all()
        assert episode.qpos[-1, desk.FINGERS].mean() > desk.CUBE + 0.003


def test_the_expert_leaves_the_blue_cube_where_it_stands(expert: list[TaskEpisode]) -> None:
    for episode in expert:
        np.testing.assert_allclose(
            episode.qpos[-1, desk.BLUE], episode.qpos[0, desk.BLUE], atol=0.012
        )
