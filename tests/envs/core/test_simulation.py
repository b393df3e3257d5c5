"""Many simulations stepped together are what each would be alone, on any number of threads."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from roborew_envs import TASKS, TaskEnv, TaskVectorEnv, make_task
from roborew_envs.core.simulation import Simulation, TaskSimulations
from roborew_envs.tasks.desk.push import Push

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


@pytest.mark.parametrize(
    "task_id", ["roborew/Push-v0", "roborew/Cheetah-v0", "roborew/HumanoidStand-v0"]
)
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
    model: mujoco.MjModel, broken: float
) -> None:
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


@pytest.mark.parametrize(
    "task_id", [f"roborew/{name}-v0" for name in ("Push", "PegInsert", "Cheetah", "HumanoidStand")]
)
def test_a_seed_gives_the_same_states_for_1_and_64_simulations_on_1_and_2_threads(
    task_id: str,
) -> None:
    task, steps = make_task(task_id), 8
    actions = np.random.default_rng(0).uniform(-1, 1, (steps, 64, task.action_size))

    def states(first: int, count: int, threads: int) -> np.ndarray:
        """Every state of simulations ``first`` to ``first + count``, shape (steps + 1, count,
        nstate)."""
        core = TaskSimulations(task, count)
        core.simulation.close()
        core.simulation = Simulation(task.model, count, threads)
        core.reset(np.ones(count, np.bool_), [7 + first + i for i in range(count)])
        seen = [core.simulation.state.copy()]
        for each in actions:
            core.step(each[first : first + count])
            seen.append(core.simulation.state.copy())
        core.close()
        return np.stack(seen)

    together = states(0, 64, 2)
    np.testing.assert_array_equal(states(0, 64, 1), together)
    for alone in (0, 31, 63):
        np.testing.assert_array_equal(states(alone, 1, 1)[:, 0], together[:, alone])


@pytest.mark.parametrize("mode", ["NextStep", "Disabled"])
def test_a_simulation_that_diverges_is_named_ends_and_starts_anew_while_the_others_go_on(
    mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    task = make_task("roborew/Cheetah-v0")
    env, healthy = (TaskVectorEnv(task, 4, autoreset_mode=mode) for _ in range(2))
    env.reset(seed=0), healthy.reset(seed=0)
    env.core.simulation.qvel[2, 5] = 1e12
    others = [0, 1, 3]
    actions = np.random.default_rng(0).uniform(-1, 1, (4, 4, 6))
    observations, rewards, _, truncated, infos = env.step(actions[0])
    expected = healthy.step(actions[0])
    assert truncated.tolist() == [False, False, True, False]
    assert "simulations [2] diverged" in caplog.text
    assert (
        np.isfinite(observations).all()
        and np.isfinite(rewards).all()
        and np.isfinite(infos["progress"]).all()
    )
    np.testing.assert_array_equal(observations[others], expected[0][others])
    if mode == "Disabled":
        env.reset(options={"reset_mask": truncated})
    else:
        env.step(actions[1]), healthy.step(actions[1])
    assert env.core.steps[2] == 0 and np.abs(env.core.simulation.qvel[2]).max() < 1
    for each in actions[2:]:
        observations, _, _, truncated, _ = env.step(each)
        np.testing.assert_array_equal(observations[others], healthy.step(each)[0][others])
        assert not truncated.any() and np.isfinite(observations).all()
    env.close(), healthy.close()


@pytest.mark.parametrize("task_id", TASKS)
def test_frames_per_second_are_steps_per_second_of_simulated_time(task_id: str) -> None:
    many, one = TaskVectorEnv(make_task(task_id), 1), TaskEnv(make_task(task_id))
    many.reset(seed=0)
    for _ in range(3):
        many.step(np.zeros((1, many.task.action_size)))
    seconds = float(many.core.simulation.state[0, 0])
    assert many.metadata["render_fps"] == one.metadata["render_fps"] == pytest.approx(3 / seconds)
    many.close(), one.close()


class CountingPush(Push):
    """Counts how often its truth is computed."""

    def __init__(self) -> None:
        self.calls = {"success": 0, "partial_progress": 0, "partial_stage": 0}

    def success(self, qpos: np.ndarray, qvel: np.ndarray) -> np.ndarray:
        self.calls["success"] += 1
        return super().success(qpos, qvel)

    def partial_progress(self, qpos: np.ndarray, qvel: np.ndarray) -> np.ndarray:
        self.calls["partial_progress"] += 1
        return super().partial_progress(qpos, qvel)

    def partial_stage(self, qpos: np.ndarray, qvel: np.ndarray) -> np.ndarray:
        self.calls["partial_stage"] += 1
        return super().partial_stage(qpos, qvel)


def test_truth_is_computed_once_a_step_also_where_a_new_episode_begins() -> None:
    task = CountingPush()
    env = TaskVectorEnv(task, 3)
    env.reset(seed=0)
    env.core.steps[:] = task.horizon - np.array([1, 2, 9])
    for step in range(4):  # simulations 0 and 1 end, and begin anew at the next step
        task.calls = dict.fromkeys(task.calls, 0)
        env.step(np.zeros((3, task.action_size)))
        assert task.calls == {"success": 1, "partial_progress": 1, "partial_stage": 1}, step
    task.calls = dict.fromkeys(task.calls, 0)
    env.reset(options={"reset_mask": np.array([True, False, False])})
    assert set(task.calls.values()) == {1}
    env.close()
