"""What a robot knows of itself holds no place of another thing."""

from __future__ import annotations

import numpy as np
import pytest

from roborew_envs import Task, make_task
from roborew_envs.tasks.arm_task import ArmTask
from roborew_envs.tasks.classic.cart_pole import CartPole
from roborew_envs.tasks.classic.mountain_car import MountainCar
from roborew_envs.tasks.locomotion.ant import Ant
from roborew_envs.tasks.locomotion.runner import Runner
from tests.contract.versions import FIRST_VERSIONS

ARM_JOINTS = 7
ARM_NAMES = ("yaw", "shoulder", "elbow", "wrist", "roll", "left_finger", "right_finger")


def states(task: Task) -> tuple[np.ndarray, np.ndarray]:
    qpos, _ = task.sample_initial_state(np.random.default_rng(0))
    velocities = np.random.default_rng(1).normal(size=task.model.nv)
    return np.repeat(qpos[None], 8, axis=0), np.repeat(velocities[None], 8, axis=0)


def move_all_else(task: Task, qpos: np.ndarray, qvel: np.ndarray) -> bool:
    """Move what is not the robot's own: things, or the place where it stands in the world; False if
    there is nothing."""
    rng = np.random.default_rng(2)
    if isinstance(task, ArmTask):
        qpos[:, ARM_JOINTS:] += rng.normal(scale=0.05, size=qpos[:, ARM_JOINTS:].shape)
        qvel[:, ARM_JOINTS:] += rng.normal(size=qvel[:, ARM_JOINTS:].shape)
    elif isinstance(task, CartPole):
        return False
    else:
        is_on_a_line = isinstance(task, Runner | MountainCar) and not isinstance(task, Ant)
        size = 1 if is_on_a_line else 2
        qpos[:, :size] += rng.normal(size=(8, size))
    return True


@pytest.mark.parametrize("task_id", FIRST_VERSIONS)
def test_it_stays_when_only_other_things_move_and_follows_the_robot(task_id: str) -> None:
    task = make_task(task_id)
    assert task.robot_state is not None, "say which entries of observe() are the robot's own"
    qpos, qvel = states(task)
    still = task.observe(qpos, qvel)[:, task.robot_state]
    assert still.shape[1] > 0 and (still == still[0]).all()
    moved_qpos, moved_qvel = qpos.copy(), qvel.copy()
    if move_all_else(task, moved_qpos, moved_qvel):
        moved = task.observe(moved_qpos, moved_qvel)
        np.testing.assert_array_equal(moved[:, task.robot_state], still)
    qvel[:, :ARM_JOINTS] += 0.1
    assert (task.observe(qpos, qvel)[:, task.robot_state] != still).any()


@pytest.mark.parametrize("task_id", FIRST_VERSIONS)
def test_the_robots_joints_are_those_of_the_arm_where_it_moves_things(task_id: str) -> None:
    task = make_task(task_id)
    assert (task.robot_joints is not None) == isinstance(task, ArmTask)
    if task.robot_joints is not None:
        joints = [task.model.joint(index) for index in range(task.model.njnt)]
        arm = [joint.qposadr[0] for joint in joints if joint.name in ARM_NAMES]
        assert arm == list(range(task.model.nq))[task.robot_joints]
