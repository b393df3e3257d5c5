"""The quadruped's servos can do what is asked for, and only a steady stand counts."""

from __future__ import annotations

import numpy as np
import pytest

from roborew_envs.core.simulation import Simulation
from roborew_envs.tasks.locomotion.quadruped_stand import QuadrupedStand

STRAIGHT = np.tile([0.0, np.deg2rad(25), np.deg2rad(-50)], 4)
"""Legs of a standing robot, paws below the hips [rad]."""


@pytest.fixture(scope="module")
def task() -> QuadrupedStand:
    return QuadrupedStand()


def standing(task: QuadrupedStand) -> tuple[np.ndarray, np.ndarray]:
    qpos = task.model.qpos0[None].copy()
    qpos[:, 7:] = STRAIGHT
    qpos[:, 2] -= task.kinematics.lowest_height(qpos)
    return qpos, np.zeros((1, task.model.nv))


def test_a_body_on_straight_legs_succeeds(task: QuadrupedStand) -> None:
    assert task.success(*standing(task)).all()


def test_it_gets_up_if_its_servos_ask_for_straight_legs_and_stays_up(task: QuadrupedStand) -> None:
    simulation = Simulation(task.model, 3)
    for i in range(3):
        simulation.place(i, *task.sample_initial_state(np.random.default_rng(i)))
    start = simulation.qpos[:, 7:].copy()
    for step in range(60):
        targets = start + min(1.0, step / 30) * (STRAIGHT - start)
        simulation.step(targets, task.substeps)
    assert task.success(simulation.qpos, simulation.qvel).all()
    simulation.close()


def test_actions_of_one_ask_for_the_ends_of_the_joints(task: QuadrupedStand) -> None:
    low, high = task.model.jnt_range[1:].T
    controls = task.action_to_ctrl(np.zeros((2, 19)), np.stack([-np.ones(12), np.ones(12)]))
    np.testing.assert_allclose(controls, [low, high])


@pytest.mark.parametrize("what", ["jumping", "on its back", "hanging in the air"])
def test_other_ways_of_being_high_are_no_stand(task: QuadrupedStand, what: str) -> None:
    qpos, qvel = standing(task)
    if what == "jumping":
        qvel[:, 2] = 2.0
    elif what == "on its back":
        qpos[:, 3:7] = 0, 1, 0, 0
    else:
        qpos[:, 2] += 0.3
    assert not task.success(qpos, qvel).any()
