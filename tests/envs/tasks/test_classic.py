"""Cart-pole and mountain car: the physics that makes them hard is there, and their truth says what
a person would."""

from __future__ import annotations

import numpy as np
import pytest

from roborew_envs import Task
from roborew_envs.core.simulation import Simulation
from roborew_envs.tasks.classic.cart_pole import CartPole
from roborew_envs.tasks.classic.mountain_car import FLAG_X, LEFT, RIGHT, ROAD_HEIGHT, MountainCar


def run(
    task: Task, qpos: np.ndarray, push: float | None, steps: int
) -> tuple[np.ndarray, np.ndarray]:
    """Positions and velocities after each step under a constant push, or one along the velocity;
    (steps, n) each."""
    simulation = Simulation(task.model, 1)
    simulation.place(0, qpos, np.zeros(task.model.nv))
    track = []
    for _ in range(steps):
        action = np.array([[np.sign(simulation.qvel[0, 0] + 1e-9) if push is None else push]])
        simulation.step(task.action_to_ctrl(simulation.qpos, action), task.substeps)
        track.append((simulation.qpos[0].copy(), simulation.qvel[0].copy()))
    simulation.close()
    positions, velocities = zip(*track, strict=True)
    return np.stack(positions), np.stack(velocities)


def test_a_pole_that_nobody_holds_falls() -> None:
    task = CartPole()
    qpos, qvel = run(task, np.array([0.0, 0.15]), 0.0, 60)
    assert task.stage(qpos, qvel)[-1] == 0 and task.progress(qpos, qvel)[-1] == 0


@pytest.mark.parametrize(
    ("change", "balanced"),
    [
        ({}, True),
        ({"lean": 0.1}, False),
        ({"place": 1.2}, False),
        ({"speed": 1.0}, False),
        ({"fall": -1.0}, False),
    ],
)
def test_balance_is_upright_slow_and_central(change: dict[str, float], balanced: bool) -> None:
    state = {"place": 0.0, "lean": 0.0, "speed": 0.0, "fall": 0.0} | change
    qpos, qvel = (
        np.array([[state["place"], state["lean"]]]),
        np.array([[state["speed"], state["fall"]]]),
    )
    assert CartPole().success(qpos, qvel).tolist() == [balanced]


def bottom() -> np.ndarray:
    return np.array([0.0, ROAD_HEIGHT(0), 0.0])


@pytest.mark.parametrize("push", [1.0, -1.0])
def test_the_motor_alone_does_not_climb_the_hill(push: float) -> None:
    task = MountainCar()
    qpos, qvel = run(task, bottom(), push, task.horizon)
    assert not task.success(qpos, qvel).any()


def test_pushing_along_the_swing_reaches_the_flag() -> None:
    task = MountainCar()
    qpos, qvel = run(task, bottom(), None, task.horizon)
    assert task.success(qpos, qvel).any()


def test_the_car_stays_on_the_road() -> None:
    task = MountainCar()
    qpos, _ = run(task, bottom(), None, task.horizon)
    np.testing.assert_allclose(qpos[:, 1], ROAD_HEIGHT(qpos[:, 0]), atol=0.01)
    np.testing.assert_allclose(qpos[:, 2], np.arctan(ROAD_HEIGHT.deriv()(qpos[:, 0])), atol=0.2)
    assert np.all((qpos[:, 0] > LEFT - 0.05) & (qpos[:, 0] < RIGHT + 0.05))


def test_a_free_car_never_comes_higher_than_it_started() -> None:
    qpos, _ = run(
        MountainCar(),
        np.array([1.0, ROAD_HEIGHT(1.0), np.arctan(ROAD_HEIGHT.deriv()(1.0))]),
        0.0,
        100,
    )
    assert qpos[:, 1].max() < ROAD_HEIGHT(1.0) + 0.01
    assert qpos[:, 0].min() < -0.9, "but nearly as high on the other side"


def test_only_the_flag_is_the_goal() -> None:
    task = MountainCar()
    qpos = np.zeros((4, 3))
    qpos[:, 0] = 0.0, LEFT, FLAG_X - 0.01, FLAG_X
    assert task.success(qpos, np.zeros((4, 3))).tolist() == [False, False, False, True]
