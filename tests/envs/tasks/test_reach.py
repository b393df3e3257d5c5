"""The reach: only the blue cube counts, and only how far the finger tips are from it."""

from __future__ import annotations

import numpy as np
import pytest

from roborew_envs import make_task
from roborew_envs.tasks import arm_task
from roborew_envs.tasks.arm_task import inverse_kinematics
from roborew_envs.tasks.desk import scene as desk
from roborew_envs.tasks.desk.reach import REACHED_DISTANCE

TASK = make_task("roborew/Reach-v0")
START = TASK.sample_initial_state(np.random.default_rng(0))[0]


def truth(tips: np.ndarray, fingers: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Progress and success with the finger tips at ``tips``, shape (N, 3) [m]."""
    qpos = np.tile(START, (len(tips), 1))
    qpos[:, arm_task.ARM_JOINTS], qpos[:, arm_task.FINGER_JOINTS] = (
        inverse_kinematics(tips),
        fingers,
    )
    still = np.zeros((len(tips), TASK.model.nv))
    return TASK.progress(qpos, still), TASK.success(qpos, still)


@pytest.mark.parametrize(
    ("cube", "above", "success"),
    [(desk.BLUE_CUBE, 0.038, True), (desk.BLUE_CUBE, 0.055, False), (desk.RED_CUBE, 0.038, False)],
)
def test_success_is_to_be_close_to_the_blue_cube(cube: slice, above: float, success: bool) -> None:
    assert truth(START[None, cube] + [0, 0, above])[1].item() is success


def test_progress_falls_with_the_distance_whatever_the_direction() -> None:
    rng = np.random.default_rng(0)
    ways = rng.normal(size=(50, 3)) * [1, 1, 0.2]
    distances = np.linspace(0.02, 0.25, 50)
    tips = (
        START[desk.BLUE_CUBE]
        + [0, 0, 0.06]
        + ways / np.linalg.norm(ways, axis=1, keepdims=True) * distances[:, None]
    )
    apart = np.linalg.norm(tips - START[desk.BLUE_CUBE], axis=1)
    progress, success = truth(tips[np.argsort(-apart)])
    assert np.all(np.diff(progress) >= 0) and np.array_equal(
        success, np.sort(apart)[::-1] <= REACHED_DISTANCE
    )
    far = START[None, desk.BLUE_CUBE] + [0, 0, REACHED_DISTANCE + 0.15]
    assert truth(far)[0].item() == pytest.approx(0.5), "15 cm more than enough is half of the way"


def test_the_gripper_may_be_open_or_closed() -> None:
    tips = START[desk.BLUE_CUBE] + np.random.default_rng(1).normal(0, 0.05, (20, 3)) + [0, 0, 0.1]
    for one, other in zip(truth(tips, 0.0), truth(tips, arm_task.FINGER_TRAVEL), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-12)
