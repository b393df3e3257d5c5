"""What every registered environment promises; a new task is tested here without a new line."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import gymnasium
import mujoco
import numpy as np
import pytest
from gymnasium.error import InvalidAction, ResetNeeded
from gymnasium.vector import AutoresetMode
from stable_baselines3.common.env_checker import check_env as check_env_sb3

import roborew_envs
from roborew_envs import TaskVectorEnv, make_task
from tests.contract.versions import FIRST_VERSIONS

MakeVector = Callable[..., TaskVectorEnv]

every_task = pytest.mark.parametrize("task_id", FIRST_VERSIONS)


@pytest.fixture
def make() -> Iterator[MakeVector]:
    """Makes vector environments as users do, and closes them."""
    made: list[gymnasium.vector.VectorEnv[Any, Any, Any]] = []

    def make(task_id: str, num_envs: int = 3, **kwargs: Any) -> TaskVectorEnv:
        made.append(
            gymnasium.make_vec(
                task_id, num_envs=num_envs, vectorization_mode="vector_entry_point", **kwargs
            )
        )
        env = made[-1].unwrapped
        assert isinstance(env, TaskVectorEnv)
        return env

    yield make
    for env in made:
        env.close()


def random_actions(env: TaskVectorEnv, steps: int, seed: int = 0) -> np.ndarray:
    return (
        np.random.default_rng(seed)
        .uniform(-1, 1, (steps, *env.action_space.shape))
        .astype(np.float32)
    )


def any_states(task: roborew_envs.Task, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Starts, disturbed a little or much: hinges and slides anywhere in range, free bodies shifted
    and turned."""
    rng = np.random.default_rng(0)
    scale = 10 ** rng.uniform(-2, 1, count)
    qpos = np.stack([task.sample_initial_state(rng)[0] for _ in range(count)])
    for joint in range(task.model.njnt):
        address, (low, high) = task.model.jnt_qposadr[joint], task.model.jnt_range[joint]
        if task.model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_FREE:
            qpos[:, address : address + 3] += scale[:, None] * rng.normal(0, 0.1, (count, 3))
            turned = qpos[:, address + 3 : address + 7] + scale[:, None] * rng.normal(
                0, 0.1, (count, 4)
            )
            qpos[:, address + 3 : address + 7] = turned / np.linalg.norm(
                turned, axis=1, keepdims=True
            )
        elif task.model.jnt_limited[joint]:
            moved = rng.random(count) < 0.5
            qpos[moved, address] = rng.uniform(low, high, moved.sum())
        else:
            qpos[:, address] += scale * rng.standard_normal(count)
    return qpos, rng.standard_normal((count, task.model.nv))


@every_task
def test_stable_baselines_accepts_the_environment(task_id: str) -> None:
    with gymnasium.make(task_id, render_mode="rgb_array", width=24, height=16) as env:
        check_env_sb3(env)


@every_task
def test_words_are_enough_and_never_contradict_themselves(task_id: str) -> None:
    task = make_task(task_id)
    right = {task.instruction, *task.paraphrases}
    assert len(set(task.paraphrases) - {task.instruction}) >= 8
    assert len(set(task.wrong_instructions)) >= 4
    assert right.isdisjoint(task.wrong_instructions)
    assert all(sentence == sentence.strip() and sentence.isprintable() for sentence in right)
    assert task.id == task_id


@every_task
def test_a_seed_gives_the_same_episode_alone_and_among_others(
    task_id: str, make: MakeVector
) -> None:
    many, alone = make(task_id, 64), gymnasium.make(task_id)
    observations, _ = many.reset(seed=7)
    first, _ = alone.reset(seed=7 + 40)
    np.testing.assert_array_equal(first, observations[40])
    for actions in random_actions(many, 10):
        observations, rewards, _, _, infos = many.step(actions)
        observation, reward, _, _, info = alone.step(actions[40])
        np.testing.assert_array_equal(observation, observations[40])
        assert reward == rewards[40] and info["progress"] == infos["progress"][40]


@every_task
def test_a_task_says_how_long_to_train_and_how_boldly_to_begin(task_id: str) -> None:
    task = make_task(task_id)
    assert isinstance(task.train_timesteps, int) and task.train_timesteps > 0
    assert task.train_init_std is None or 0 < task.train_init_std <= 2


@every_task
def test_other_seeds_give_other_starts(task_id: str, make: MakeVector) -> None:
    env = make(task_id, 8)
    observations, _ = env.reset(seed=1)
    assert len(np.unique(observations, axis=0)) == 8
    assert not np.array_equal(env.reset()[0], observations)


@every_task
def test_truth_keeps_its_laws_in_any_state(task_id: str) -> None:
    task = make_task(task_id)
    qpos, qvel = any_states(task, 400)
    progress, success, stage = (f(qpos, qvel) for f in (task.progress, task.success, task.stage))
    assert np.all((progress >= 0) & (progress <= 1))
    np.testing.assert_array_equal(progress == 1, success)
    np.testing.assert_array_equal(stage == len(task.stages) - 1, success)
    assert np.all((stage >= 0) & (stage < len(task.stages)))
    assert np.ptp(progress) > 0.15, "progress tells states apart"


@every_task
def test_truth_evaluated_at_once_is_the_truth_computed_apart(task_id: str) -> None:
    task = make_task(task_id)
    qpos, qvel = any_states(task, 50)
    truth = task.evaluate(qpos, qvel)
    np.testing.assert_array_equal(
        truth.progress, task.progress(qpos, qvel).astype(np.float32), strict=True
    )
    np.testing.assert_array_equal(truth.success, task.success(qpos, qvel), strict=True)
    np.testing.assert_array_equal(truth.stage, task.stage(qpos, qvel), strict=True)


@every_task
def test_infos_tell_the_truth_of_the_present_states(task_id: str, make: MakeVector) -> None:
    env = make(task_id)
    _, infos = env.reset(seed=3)
    for actions in [None, *random_actions(env, 3)]:
        if actions is not None:
            *_, infos = env.step(actions)
        state = env.core.simulation.qpos, env.core.simulation.qvel
        expected = env.task.progress(*state).astype(np.float32)
        np.testing.assert_array_equal(infos["progress"], expected, strict=True)
        np.testing.assert_array_equal(infos["success"], env.task.success(*state), strict=True)
        np.testing.assert_array_equal(infos["stage"], env.task.stage(*state), strict=True)
        for name in ("progress", "success", "stage"):
            assert infos[f"_{name}"].all()


@every_task
def test_every_observation_element_varies(task_id: str) -> None:
    task = make_task(task_id)
    assert np.ptp(task.observe(*any_states(task, 100)), axis=0).min() > 1e-3


@every_task
def test_nothing_that_was_returned_is_written_again(task_id: str, make: MakeVector) -> None:
    env = make(task_id)
    returned = [env.reset(seed=0)[0]]
    actions = random_actions(env, 4)
    for each in actions[:2]:
        observations, rewards, terminated, truncated, infos = env.step(each)
        returned += [observations, rewards, terminated, truncated, *infos.values()]
    kept = [array.copy() for array in returned]
    env.step(actions[2]), env.reset(seed=1), env.step(actions[3])
    for array, copy in zip(returned, kept, strict=True):
        np.testing.assert_array_equal(array, copy)


@every_task
def test_an_episode_is_truncated_at_its_horizon(task_id: str, make: MakeVector) -> None:
    env = make(task_id)
    env.reset(seed=0)
    env.core.steps[:] = env.task.horizon - 2
    actions = np.zeros(env.action_space.shape, np.float32)
    assert not env.step(actions)[3].any()
    assert env.step(actions)[3].all()


@every_task
def test_next_step_autoreset_spends_one_step_on_the_new_start(
    task_id: str, make: MakeVector
) -> None:
    env = make(task_id)
    env.reset(seed=0)
    env.core.steps[:] = env.task.horizon - np.array([1, 5, 5])
    actions = random_actions(env, 2)
    assert env.step(actions[0])[3].tolist() == [True, False, False]
    _, rewards, terminated, truncated, _ = env.step(actions[1])
    assert rewards[0] == 0 and not terminated.any() and not truncated.any()
    assert env.core.steps.tolist() == [0, env.task.horizon - 3, env.task.horizon - 3]
    assert env.core.simulation.state[0, 0] == 0, "the new episode's clock starts at 0"


@every_task
def test_disabled_autoreset_waits_for_the_masked_reset(task_id: str, make: MakeVector) -> None:
    env = make(task_id, autoreset_mode=AutoresetMode.DISABLED)
    env.reset(seed=0)
    env.core.steps[:] = env.task.horizon - np.array([5, 1, 5])
    actions = random_actions(env, 2)
    observations, _, _, truncated, _ = env.step(actions[0])
    with pytest.raises(ResetNeeded, match=r"\[1\].*reset_mask"):
        env.step(actions[1])
    after, _ = env.reset(options={"reset_mask": truncated})
    np.testing.assert_array_equal(after[[0, 2]], observations[[0, 2]])
    assert not np.array_equal(after[1], observations[1])
    assert not env.step(actions[1])[3].any()


@every_task
@pytest.mark.parametrize("mode", ["NextStep", "Disabled"])
def test_a_restored_snapshot_goes_on_bit_for_bit(task_id: str, mode: str, make: MakeVector) -> None:
    env, twin = make(task_id, autoreset_mode=mode), make(task_id, autoreset_mode=mode)
    env.reset(seed=5)
    env.core.steps[:] = env.task.horizon - np.array([4, 20, 20])  # so that a reset lies ahead
    before, after = np.split(random_actions(env, 6), 2)
    for actions in before:
        env.step(actions)
    snapshot = env.get_state()

    def go_on(env: TaskVectorEnv) -> list[np.ndarray]:
        results = []
        for actions in after:
            observations, rewards, _, truncated, _ = env.step(actions)
            results += [observations, rewards]
            if mode == "Disabled" and truncated.any():
                results.append(env.reset(options={"reset_mask": truncated})[0])
        return results

    expected = go_on(env)
    twin.set_state(snapshot)
    for one, other in zip(expected, go_on(twin), strict=True):
        np.testing.assert_array_equal(one, other)
    env.set_state(snapshot)
    for one, other in zip(expected, go_on(env), strict=True):
        np.testing.assert_array_equal(one, other)


@every_task
def test_a_simulation_that_diverges_ends_alone(task_id: str, make: MakeVector) -> None:
    env, healthy = make(task_id), make(task_id)
    env.reset(seed=0), healthy.reset(seed=0)
    env.core.simulation.qvel[1] = 1e12
    (actions,) = random_actions(env, 1)
    observations, rewards, terminated, truncated, infos = env.step(actions)
    expected, *_ = healthy.step(actions)
    assert truncated.tolist() == [False, True, False] and not terminated.any()
    np.testing.assert_array_equal(observations[[0, 2]], expected[[0, 2]])
    assert (
        np.isfinite(observations).all()
        and np.isfinite(rewards).all()
        and np.isfinite(infos["progress"]).all()
    )
    observations, _, _, truncated, _ = env.step(actions)
    assert np.abs(observations).max() < 1e3 and not truncated.any(), (
        "the next step starts its new episode"
    )


@every_task
def test_impossible_actions_are_refused_and_change_nothing(task_id: str, make: MakeVector) -> None:
    env = make(task_id)
    env.reset(seed=0)
    state = env.core.simulation.state.copy()
    good = np.zeros(env.action_space.shape, np.float32)
    with pytest.raises(InvalidAction, match=r"shape .*expected \(3, "):
        env.step(good[:, :-1])
    with pytest.raises(InvalidAction, match="NaN"):
        env.step(np.where(np.arange(3)[:, None] == 1, np.nan, good))
    np.testing.assert_array_equal(env.core.simulation.state, state)


def test_a_forgotten_close_leaves_nothing_on_the_terminal() -> None:
    """OpenGL contexts that outlive the interpreter print tracebacks after a good run."""
    script = (
        "import gymnasium, roborew_envs\n"
        "env = gymnasium.make_vec('roborew/Cheetah-v0', 4, vectorization_mode='vector_entry_point',"
        " render_mode='rgb_array')\n"
        "env.reset(seed=0); env.step(env.action_space.sample()); frames = env.render()\n"
        "one = gymnasium.make('roborew/Push-v0', render_mode='rgb_array'); one.reset(); "
        "one.render()\n"
        "print(len(frames))\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=environment,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "4\n", "")
