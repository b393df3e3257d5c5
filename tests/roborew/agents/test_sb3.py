"""The bridge to Stable-Baselines3 and the agents behind it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gymnasium.spaces import Discrete, Tuple
from gymnasium.vector import AutoresetMode

from roborew.agents.env_checks import box_size
from roborew.agents.rollout_report import RolloutReport
from roborew.agents.sb3 import SB3PPO, SB3SAC, SB3PPOConfig, SB3SACConfig, as_sb3
from roborew.agents.sb3.agent import EARLIER_NAMES
from roborew.checks.synthetic import PointEnv
from roborew.errors import InvalidInputError

PPO_QUICK = SB3PPOConfig(n_steps=8, batch_size=32, n_epochs=2, hidden_dim=16)
SAC_QUICK = SB3SACConfig(
    batch_size=16,
    learning_starts=32,
    gradient_steps=1,
    hidden_dim=16,
    report_every=8,
    buffer_size=1000,
)


def make(kind: str, env: PointEnv, seed: int = 0) -> SB3PPO | SB3SAC:
    spaces = env.single_observation_space, env.single_action_space
    return SB3PPO(*spaces, PPO_QUICK, seed) if kind == "ppo" else SB3SAC(*spaces, SAC_QUICK, seed)


def test_the_bridge_hands_over_the_final_observation_before_it_resets() -> None:
    bridge, twin = as_sb3(PointEnv(3, horizon=4)), PointEnv(3, horizon=4)
    bridge.seed(5)
    bridge.reset()
    twin.reset(seed=[5, 6, 7])
    actions = np.ones((3, 2))
    for step in range(1, 9):
        if step == 5:
            twin.reset(options={"reset_mask": np.ones(3, dtype=np.bool_)})
        expected, rewards, _, truncated, _ = twin.step(actions)
        observations, paid, done, infos = bridge.step(actions)
        np.testing.assert_allclose(paid, rewards, rtol=1e-5)
        np.testing.assert_array_equal(done, truncated)
        if done.all():
            np.testing.assert_array_equal(
                [info["terminal_observation"] for info in infos], expected
            )
            assert all(info["TimeLimit.truncated"] for info in infos)
            assert not np.allclose(observations, expected)
        else:
            np.testing.assert_array_equal(observations, expected)
            assert "terminal_observation" not in infos[0]


def test_other_autoreset_modes_and_deferred_rewards_are_refused() -> None:
    env = PointEnv(2)
    env.metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}
    with pytest.raises(InvalidInputError, match="DISABLED"):
        as_sb3(env)
    deferred: Any = PointEnv(2)
    deferred.deferred = True
    with pytest.raises(InvalidInputError, match="scoring='step'"):
        as_sb3(deferred)


def test_observations_of_several_parts_without_names_are_refused_with_the_way_to_flatten_them() -> (
    None
):
    several: Any = PointEnv(2)
    several.single_observation_space = Tuple([several.single_observation_space])
    with pytest.raises(InvalidInputError, match="FlattenObservation"):
        as_sb3(several)


@pytest.mark.parametrize("owner", ["observation", "action"])
def test_advice_on_a_space_is_on_that_space(owner: str) -> None:
    with pytest.raises(InvalidInputError, match=f"{owner} space") as caught:
        box_size(Discrete(3), owner)
    assert ("FlattenObservation" in str(caught.value)) == (owner == "observation")
    assert ("sb3-ppo" in str(caught.value)) == (owner == "action")


def test_a_nan_reward_is_one_error_that_names_the_environment() -> None:
    class Broken(PointEnv):
        def step(self, actions: Any) -> Any:
            observations, rewards, *rest = super().step(actions)
            rewards[1] = np.nan
            return observations, rewards, *rest

    bridge = as_sb3(Broken(2))
    bridge.reset()
    with pytest.raises(InvalidInputError, match=r"reward.*environment \[1\]"):
        bridge.step(np.zeros((2, 2)))


@pytest.mark.parametrize("kind", ["ppo", "sac"])
def test_an_agent_learns_reports_and_survives_saving(kind: str) -> None:
    env = PointEnv(4, horizon=10)
    agent = make(kind, env)
    untouched = agent.state_dict()[0]
    reports: list[RolloutReport] = []
    agent.learn(env, 4 * 32, reports.append)
    assert [report.steps for report in reports] == [32, 64, 96, 128]
    assert sum(report.episodes for report in reports) == 3 * 4
    assert all(
        report.seconds["environment"] > 0 and report.seconds["updating"] > 0 for report in reports
    )
    arrays, meta = agent.state_dict()
    assert any(
        not np.array_equal(arrays[key], value)
        for key, value in untouched.items()
        if key.startswith("policy/")
    )
    assert all(
        # The true return of episodes is NaN where nobody tells it.
        np.isfinite(value).all()
        for key, value in arrays.items()
        if not key.startswith("episodes/")
    )

    other = make(kind, PointEnv(4), seed=9)
    other.load_state_dict({key: value.copy() for key, value in arrays.items()}, meta)
    observations = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    np.testing.assert_array_equal(other.act(observations), agent.act(observations))
    again = other.state_dict()[0]
    assert again.keys() == arrays.keys()
    for key, value in arrays.items():
        np.testing.assert_array_equal(again[key], value, err_msg=key)
    other.learn(PointEnv(4), 160)
    assert other.steps == 160


@pytest.mark.parametrize("kind", ["ppo", "sac"])
def test_returning_false_stops_the_learning(kind: str) -> None:
    env = PointEnv(4)
    agent = make(kind, env)
    agent.learn(env, 1000, lambda report: False)
    assert agent.steps == 32


def test_a_state_of_other_settings_or_spaces_is_refused() -> None:
    env = PointEnv(2)
    arrays, meta = make("ppo", env).state_dict()
    with pytest.raises(InvalidInputError, match="sb3-sac: the state is of"):
        make("sac", env).load_state_dict(arrays, meta)
    wider = SB3PPO(PointEnv(2).single_action_space, env.single_action_space, PPO_QUICK)
    with pytest.raises(InvalidInputError, match="do not fit"):
        wider.load_state_dict(arrays, meta)


@pytest.mark.parametrize("kind", ["ppo", "sac"])
def test_a_state_that_the_first_release_saved_is_read(kind: str) -> None:
    agent = make(kind, PointEnv(4))
    agent.learn(PointEnv(4), 128)
    arrays, meta = agent.state_dict()
    old = {
        name: array
        for name, array in arrays.items()
        if not name.startswith(("replay/", "episodes/", "generators/"))
    }
    for earlier, name in EARLIER_NAMES.items():
        old = {key.replace(name, earlier): array for key, array in old.items()}
    known = ("n_steps", "batch_size", "gamma", "learning_rate", "hidden_dim", "n_epochs")
    known += ("learning_starts", "gradient_steps", "report_every", "buffer_size")
    config = {key: meta["config"][key] for key in known if meta["config"].get(key) is not None}
    old_meta = {"agent": agent.name, "steps": 128, "seed": 0, "config": config}
    other = make(kind, PointEnv(4), seed=9)
    other.load_state_dict(old, old_meta)
    for name, array in other.state_dict()[0].items():
        if name.startswith(("policy", "actor", "critic", "ent_coef", "log_ent", "observations")):
            np.testing.assert_array_equal(array, arrays[name], err_msg=name)
    other.learn(PointEnv(4), 160)
    assert other.steps == 160
