"""PPO: it learns by statistics, it repeats exactly."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete
from gymnasium.vector import AutoresetMode
from scipy.stats import mannwhitneyu

from roborew.agents.network import RENAMED_PARAMETERS
from roborew.agents.ppo import PPO, PPOConfig
from roborew.agents.rollout_report import RolloutReport
from roborew.checks.synthetic import PointEnv
from roborew.config import current_names
from roborew.errors import InvalidInputError

QUICK = PPOConfig(n_steps=16, n_epochs=2, batch_size=64)


def make_agent(env: PointEnv, seed: int = 0, config: PPOConfig = QUICK) -> PPO:
    return PPO(env.single_observation_space, env.single_action_space, config, seed)


def final_distance(agent: PPO) -> float:
    env = PointEnv(64, horizon=20)
    observations, _ = env.reset(seed=999)
    for _ in range(20):
        observations = env.step(agent.act(observations))[0]
    return float(env.distances().mean())


def test_ppo_learns_to_drive_a_point_to_its_target() -> None:
    """A rank test over seeds, not a magic threshold: trained agents end nearer than untrained
    ones."""
    trained, untrained = [], []
    for seed in range(4):
        env = PointEnv(64)
        agent = make_agent(env, seed, PPOConfig(n_steps=16, learning_rate=2e-3))
        untrained.append(final_distance(agent))
        agent.learn(env, 6 * 1024)
        trained.append(final_distance(agent))
    assert mannwhitneyu(trained, untrained, alternative="less").pvalue < 0.05
    assert np.median(trained) < 0.5 * np.median(untrained)


@pytest.mark.parametrize(
    "config", [QUICK, PPOConfig(n_steps=16, batch_size=64, normalize_rewards=True)]
)
def test_interrupted_and_resumed_equals_uninterrupted_bit_for_bit(config: PPOConfig) -> None:
    """A rollout of 16 steps with episodes of 20: the interruption falls in the middle of every
    episode."""
    env = PointEnv(8)
    whole = make_agent(env, 3, config)
    whole.learn(env, 6 * 128)

    first_env = PointEnv(8)
    first = make_agent(first_env, 3, config)
    first.learn(first_env, 6 * 128, lambda report: report.steps < 3 * 128)
    (arrays, meta), simulator = first.state_dict(), first_env.get_state()

    second_env = PointEnv(8)
    second_env.reset(seed=77)
    second_env.set_state(simulator)
    second = make_agent(second_env, 5, config)
    second.load_state_dict(arrays, meta)
    second.learn(second_env, 6 * 128)

    expected, actual = whole.state_dict(), second.state_dict()
    assert expected[1] == actual[1]
    assert expected[0].keys() == actual[0].keys()
    for key, value in expected[0].items():
        np.testing.assert_array_equal(value, actual[0][key], err_msg=key)


def test_a_seed_repeats_and_another_differs() -> None:
    def weights(seed: int) -> Any:
        env = PointEnv(8)
        agent = make_agent(env, seed)
        agent.learn(env, 256)
        return agent.state_dict()[0]["network/first"]

    np.testing.assert_array_equal(weights(1), weights(1))
    assert not np.array_equal(weights(1), weights(2))


def test_acting_alone_changes_nothing_that_was_learned() -> None:
    env = PointEnv(8)
    agent = make_agent(env)
    agent.learn(env, 256)
    before = agent.state_dict()[0]
    actions = agent.act(np.full((3, 4), 100.0))
    assert actions.shape == (3, 2) and (np.abs(actions) <= 1).all()
    for key, value in agent.state_dict()[0].items():
        np.testing.assert_array_equal(value, before[key])


def test_the_report_counts_episodes_and_what_they_ended_with() -> None:
    """Two rollouts of 16 steps over 8 environments hold exactly one episode of 20 steps each."""
    env = PointEnv(8)
    reports: list[RolloutReport] = []
    make_agent(env).learn(env, 256, reports.append)
    assert [report.episodes for report in reports] == [0, 8]
    assert [report.steps for report in reports] == [128, 256]
    assert np.isnan(reports[0].mean_return)
    assert reports[1].mean_length == 20
    assert 0 <= reports[1].final["success"] <= 1
    assert set(reports[1].seconds) == {"acting", "environment", "updating"}


def test_returning_false_stops_the_learning() -> None:
    env = PointEnv(8)
    agent = make_agent(env)
    agent.learn(env, 10_000, lambda report: False)
    assert agent.steps == 128


class ForgetfulEnv(PointEnv):
    """Lives for one step; the reward is 1 and the value of every state therefore known."""

    def __init__(self, terminates: bool) -> None:
        super().__init__(8, horizon=1)
        self._terminates = terminates

    def step(self, actions: Any) -> Any:
        observations, rewards, none, done, infos = super().step(actions)
        ends = (done, none) if self._terminates else (none, done)
        return observations, np.ones_like(rewards), *ends, infos


@pytest.mark.parametrize(("terminates", "value"), [(True, 1.0), (False, 2.0)])
def test_a_time_limit_is_bootstrapped_and_a_termination_is_not(
    terminates: bool, value: float
) -> None:
    """With a reward of 1 and a discount of a half, the fixed point of the values is 1 or 1 + 1/2 + 1/4 +
    ... = 2."""
    env = ForgetfulEnv(terminates)
    config = PPOConfig(n_steps=8, gamma=0.5, schedule="constant", learning_rate=5e-3, batch_size=64)
    agent = make_agent(env, 0, config)
    agent.learn(env, 60 * 64)
    observations, _ = env.reset(seed=1)
    assert np.mean(agent.values(observations)) == pytest.approx(value, abs=0.15)


class BrokenEnv(PointEnv):
    def __init__(self, broken: str) -> None:
        super().__init__(4)
        self._broken = broken

    def step(self, actions: Any) -> Any:
        observations, rewards, terminated, truncated, infos = super().step(actions)
        (observations if self._broken == "observation" else rewards)[2] = np.nan
        return observations, rewards, terminated, truncated, infos


@pytest.mark.parametrize("broken", ["observation", "reward"])
def test_nan_from_an_environment_is_one_error_that_names_it(broken: str) -> None:
    env = BrokenEnv(broken)
    with pytest.raises(InvalidInputError, match=rf"{broken}.*environment \[2\]"):
        make_agent(env).learn(env, 1000)


def test_other_autoreset_modes_are_refused() -> None:
    env = PointEnv(4)
    env.metadata = {"autoreset_mode": AutoresetMode.NEXT_STEP}
    with pytest.raises(InvalidInputError, match="DISABLED"):
        make_agent(env).learn(env, 1000)


def test_spaces_that_the_policy_cannot_serve_are_refused() -> None:
    flat, image = Box(-1, 1, (3,)), Box(0, 1, (3, 3))
    with pytest.raises(InvalidInputError, match="observation space"):
        PPO(image, flat)
    with pytest.raises(InvalidInputError, match="action space"):
        PPO(flat, Discrete(3))
    with pytest.raises(InvalidInputError, match="finite bounds"):
        PPO(flat, Box(-np.inf, np.inf, (2,)))


def test_actions_span_the_whole_action_space() -> None:
    agent = PPO(
        Box(-1, 1, (1,)), Box(np.array([2.0, -4.0], np.float32), np.array([3.0, 4.0], np.float32))
    )
    actions = np.concatenate([agent.act(np.zeros((500, 1)), deterministic=False) for _ in range(4)])
    np.testing.assert_allclose(actions.min(axis=0), [2, -4])
    np.testing.assert_allclose(actions.max(axis=0), [3, 4])


def test_a_state_of_other_spaces_or_settings_is_refused() -> None:
    env = PointEnv(4)
    arrays, meta = make_agent(env).state_dict()
    with pytest.raises(InvalidInputError, match="configuration|PPOConfig"):
        make_agent(env, config=PPOConfig()).load_state_dict(arrays, meta)
    with pytest.raises(InvalidInputError, match="do not fit"):
        PPO(Box(-1, 1, (9,)), env.single_action_space, QUICK).load_state_dict(arrays, meta)


def test_a_checkpoint_of_an_earlier_release_is_read() -> None:
    env = PointEnv(4)
    agent = make_agent(env)
    agent.learn(env, 128)
    arrays, meta = agent.state_dict()
    old_names = {today: old for old, today in RENAMED_PARAMETERS.items()}
    old_arrays: dict[str, Any] = {}
    for key, value in arrays.items():
        part, name = key.split("/", 1)
        part = "optimiser" if part == "optimizer" else part
        old_arrays[f"{part}/{old_names.get(name, name)}"] = value
    assert "network/critic" in old_arrays and "network/actor_bias" in old_arrays
    other = make_agent(PointEnv(4), seed=9)
    other.load_state_dict(old_arrays, meta)
    for key, value in other.state_dict()[0].items():
        np.testing.assert_array_equal(value, arrays[key], err_msg=key)


def test_settings_of_an_earlier_release_are_read() -> None:
    old = {"rollout_steps": 8, "trace": 0.5, "scale_rewards": True, "learning_rate": 0.1}
    expected = PPOConfig(n_steps=8, gae_lambda=0.5, normalize_rewards=True, learning_rate=0.1)
    assert PPOConfig(**current_names(PPOConfig, old, "config")) == expected
    assert set(PPOConfig.RENAMED.values()) <= {field.name for field in fields(PPOConfig)}


@pytest.mark.parametrize(
    "bad",
    [
        {"gamma": 1.5},
        {"batch_size": 0},
        {"clip_range": 0.0},
        {"learning_rate": -1.0},
        {"vf_coef": -1.0},
        {"ent_coef": float("nan")},
        {"target_kl": 0.0},
        {"schedule": "cosine"},
    ],
)
def test_settings_that_cannot_learn_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError, match=next(iter(bad))):
        PPOConfig(**bad)
