"""Horizon and action repeat, and the end at a failure."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.error import Error

from roborew_envs import TaskVectorEnv, make_task
from roborew_envs.suites import SuiteVectorEnv

OWN, THEIRS = "roborew/Hopper-v1", "Hopper-v5"
NUM_ENVS = 4


def make(env_id: str, **options: Any) -> Any:
    if env_id == THEIRS:
        return SuiteVectorEnv(THEIRS, NUM_ENVS, **options)
    return TaskVectorEnv(make_task(env_id), NUM_ENVS, autoreset_mode="Disabled", **options)


def random_actions(steps: int, size: int = 3) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.uniform(-1, 1, (steps, NUM_ENVS, size)).astype(np.float32)


@pytest.mark.parametrize("env_id", [OWN, THEIRS, "roborew/Push-v0"])
def test_a_repeated_action_is_as_many_equal_actions(env_id: str) -> None:
    with closing(make(env_id, action_repeat=3)) as env, closing(make(env_id)) as by_hand:
        first, _ = env.reset(seed=0)
        np.testing.assert_array_equal(first, by_hand.reset(seed=0)[0])
        for action in 0.1 * random_actions(2, env.single_action_space.shape[0]):
            observations, rewards, _, _, infos = env.step(action)
            steps = [by_hand.step(action) for _ in range(3)]
            np.testing.assert_array_equal(observations, steps[-1][0])
            np.testing.assert_allclose(rewards, sum(step[1] for step in steps), atol=1e-9)
            np.testing.assert_equal(infos, steps[-1][4])


@pytest.mark.parametrize("env_id", [OWN, THEIRS])
def test_one_that_ends_within_a_repeat_stays_as_it_was_then(env_id: str) -> None:
    """The others go on: each ends at its own step, in the state that it had there."""
    with closing(make(env_id, action_repeat=200)) as env, closing(make(env_id)) as by_hand:
        env.reset(seed=0)
        by_hand.reset(seed=0)
        (action,) = random_actions(1)
        observations, _, terminated, truncated, _ = env.step(action)
        assert terminated.all() and not truncated.any()
        ends: dict[int, np.ndarray] = {}
        while len(ends) < NUM_ENVS:
            states, _, ended, _, _ = by_hand.step(action)
            for i in np.flatnonzero(ended):
                ends.setdefault(int(i), states[i].copy())
            if ended.any():
                by_hand.reset(options={"reset_mask": ended})
        np.testing.assert_array_equal(observations, [ends[i] for i in range(NUM_ENVS)])


@pytest.mark.parametrize("env_id", [OWN, THEIRS])
@pytest.mark.parametrize("action_repeat", [1, 2])
def test_an_episode_has_as_many_steps_as_the_horizon(env_id: str, action_repeat: int) -> None:
    with closing(make(env_id, horizon=5, action_repeat=action_repeat)) as env:
        env.reset(seed=0)
        num_calls = env.max_episode_steps
        assert num_calls == -(-5 // action_repeat)
        for call in range(1, num_calls + 1):
            _, _, terminated, truncated, _ = env.step(np.zeros((NUM_ENVS, 3), np.float32))
            assert not terminated.any() and (truncated == (call == num_calls)).all()


def test_a_snapshot_within_repeats_goes_on_bit_for_bit() -> None:
    for env_id in (OWN, THEIRS):
        with (
            closing(make(env_id, action_repeat=2)) as env,
            closing(make(env_id, action_repeat=2)) as twin,
        ):
            env.reset(seed=1)
            before, after = random_actions(2)
            env.step(before)
            twin.set_state(env.get_state())
            np.testing.assert_array_equal(env.step(after)[0], twin.step(after)[0])


def test_a_film_of_repeated_actions_runs_at_the_speed_of_the_world() -> None:
    for env_id in (OWN, THEIRS):
        with closing(make(env_id)) as env, closing(make(env_id, action_repeat=4)) as repeated:
            fps = env.metadata["render_fps"]
            assert repeated.metadata["render_fps"] == fps / 4


@pytest.mark.parametrize("env_id", [OWN, THEIRS])
@pytest.mark.parametrize("setting", [{"horizon": 0}, {"action_repeat": 0}, {"horizon": 2.5}])
def test_what_is_no_number_of_steps_is_refused(env_id: str, setting: dict[str, Any]) -> None:
    with pytest.raises(Error, match="expected at least 1"):
        make(env_id, **setting)


def test_a_single_environment_ends_at_a_failure_and_takes_the_same_settings() -> None:
    env = gymnasium.make("roborew/Hopper-v1", horizon=40, action_repeat=20)
    env.reset(seed=0)
    ends = [env.step(random_actions(1)[0, 0])[2:4] for _ in range(2)]
    assert ends[-1] == (True, False) or ends[0] == (True, False)
    env.close()
