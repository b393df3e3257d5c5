"""Many simulations stepped together are what each would be alone, on any number of threads."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from roborew_envs import make_task
from roborew_envs.simulation import Simulation

MODEL = """<mujoco><option timestep="0.01"/><worldbody><geom type="plane" size="1 1 1"/>
<body pos="0 0 1"><freejoint/><geom name="ball" size="0.1"/></body>
<body pos="1 0 1"><joint name="hinge" axis="0 1 0"/><geom type="capsule" fromto="0 0 0 0 0 -.5" size="0.05"/></body>
</worldbody><actuator><motor joint="hinge"/></actuator></mujoco>"""


@pytest.fixture(scope="module")
def model() -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_string(MODEL)


def run(model: mujoco.MjModel, threads: int, count: int = 64) -> np.ndarray:
    simulation, rng = Simulation(model, count, threads=threads), np.random.default_rng(0)
    for i in range(count):
        simulation.place(i, model.qpos0, 0.5 * rng.standard_normal(model.nv))
    for _ in range(10):
        assert not simulation.step(rng.uniform(-1, 1, (count, model.nu)), 5).any()
    simulation.close()
    return simulation.state


@pytest.mark.parametrize("task_id", ["roborew/Push-v0", "roborew/Cheetah-v0", "roborew/HumanoidStand-v0"])
def test_the_number_of_threads_changes_no_bit(task_id: str) -> None:
    model = make_task(task_id).model
    alone = run(model, threads=1, count=16)
    np.testing.assert_array_equal(alone, run(model, threads=2, count=16))
    np.testing.assert_array_equal(alone, run(model, threads=5, count=16))


def test_one_step_is_what_mujoco_does(model: mujoco.MjModel) -> None:
    simulation, data = Simulation(model, 3), mujoco.MjData(model)
    simulation.place(1, model.qpos0, np.full(model.nv, 0.3))
    data.qvel[:], data.ctrl[:] = 0.3, 0.7
    simulation.step(np.array([[0.0], [0.7], [0.1]]), 8)
    mujoco.mj_step(model, data, 8)
    np.testing.assert_allclose(simulation.qpos[1], data.qpos, atol=1e-9)
    np.testing.assert_allclose(simulation.qvel[1], data.qvel, atol=1e-9)
    np.testing.assert_allclose(simulation.state[:, 0], 0.08)


def test_order_does_not_matter(model: mujoco.MjModel) -> None:
    rng = np.random.default_rng(3)
    velocities, controls = rng.standard_normal((6, model.nv)), rng.uniform(-1, 1, (6, 1))
    ends = []
    for order in (np.arange(6), rng.permutation(6)):
        simulation = Simulation(model, 6)
        for slot, i in enumerate(order):
            simulation.place(slot, model.qpos0, velocities[i])
        simulation.step(controls[order], 7)
        ends.append(simulation.state[np.argsort(order)])
        simulation.close()
    np.testing.assert_array_equal(*ends)


@pytest.mark.parametrize("broken", [np.nan, np.inf, 1e12])
def test_a_diverged_simulation_keeps_its_state_and_harms_no_other(
    model: mujoco.MjModel, broken: float, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(str(tmp_path))  # MuJoCo logs a divergence into the working directory
    simulation, healthy = Simulation(model, 4, threads=1), Simulation(model, 4, threads=1)
    simulation.qvel[2, 0] = broken
    before = simulation.state[2].copy()
    for _ in range(3):
        assert simulation.step(np.zeros((4, 1)), 5).tolist() == [False, False, True, False]
        assert not healthy.step(np.zeros((4, 1)), 5).any()
    np.testing.assert_array_equal(simulation.state[2], before)
    np.testing.assert_array_equal(np.delete(simulation.state, 2, 0), np.delete(healthy.state, 2, 0))


def test_the_views_write_into_the_state(model: mujoco.MjModel) -> None:
    simulation = Simulation(model, 2)
    simulation.qpos[1, 0], simulation.qvel[0, 1] = 5.0, 6.0
    assert simulation.state[1, 1] == 5.0 and simulation.state[0, 1 + model.nq + 1] == 6.0


def test_no_simulation_is_refused(model: mujoco.MjModel) -> None:
    with pytest.raises(ValueError, match="got 0, expected at least 1"):
        Simulation(model, 0)


def test_closing_twice_is_harmless(model: mujoco.MjModel) -> None:
    simulation = Simulation(model, 2)
    simulation.close()
    simulation.close()
