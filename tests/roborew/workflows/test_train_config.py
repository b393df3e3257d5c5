"""All that shapes a run stands in its config.json, and that of an earlier release is still read."""

from __future__ import annotations

import json
import logging
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from roborew.config import default_options, from_json, to_json
from roborew.errors import InvalidInputError
from roborew.rewards.mini import Mini
from roborew.workflows.parts import AgentConfig, RewardConfig
from roborew.workflows.rewards import make_reward_env
from roborew.workflows.train.command import command
from roborew.workflows.train.config import EnvConfig, ShapingConfig, TrainConfig
from roborew.workflows.train.resolve import resolve, resolve_for_reward
from roborew_envs import TASKS, make_task

OLD = Path(__file__).with_name("old_run") / "config.json"


def test_a_config_of_an_earlier_release_is_read_and_said_what_it_is_called_now(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        config = from_json(TrainConfig, json.loads(OLD.read_bytes()))
    assert config.env == EnvConfig("roborew/Push-v0") and config.timesteps == 16384
    assert config.agent == AgentConfig("ppo", {"init_std": 0.4})
    assert config.shaping == ShapingConfig("progress-delta") and config.max_minutes == 0.02
    assert (
        "goal is instruction now" in caplog.text and "steps is total_timesteps now" in caplog.text
    )


@pytest.mark.parametrize("refits", [True, False])
def test_a_run_of_before_goes_on_as_it_began_where_a_refit_forgot_the_replay(
    refits: bool, tmp_path: Path
) -> None:
    config = TrainConfig(reward=RewardConfig(str(tmp_path)), refit=tmp_path if refits else None)
    content = to_json(config)
    del content["refit_replay"]
    expected = "forget" if refits else "rescore"
    assert from_json(TrainConfig, content) == replace(config, refit_replay=expected)


def test_an_exploration_that_the_agent_ignored_is_left_out() -> None:
    old = json.loads(OLD.read_bytes()) | {"agent": "sb3-ppo", "reward": "true-dense"}
    config = from_json(TrainConfig, old)
    assert config.agent == AgentConfig("sb3-ppo") and config.reward == RewardConfig("oracle-dense")


@pytest.mark.parametrize("agent", ["ppo", "sb3-ppo", "sb3-sac"])
def test_every_setting_of_agent_and_reward_is_written_down(agent: str) -> None:
    config = resolve(TrainConfig(agent=AgentConfig(agent), reward=RewardConfig("oracle-dense")))
    written = to_json(config)
    factory = config.agent.factory()
    assert written["agent"]["options"].keys() == default_options(factory).keys()
    assert written["reward"]["options"] == {
        "scale": 5.0,
        "bonus": 4.0,
        "raw_coef": 0.0,
        "success_coef": 0.0,
        "ends_at_success": True,
    }
    assert from_json(TrainConfig, written) == config


def test_shaping_and_success_detector_are_written_down_as_they_suit_the_reward() -> None:
    config = resolve_for_reward(resolve(TrainConfig()), Mini().spec)
    assert config.shaping == ShapingConfig("progress-delta", scale=5.0, raw_coef=0.0)
    detector = config.success_detector
    assert (detector.enabled, detector.threshold, detector.bonus) == (True, 0.9, 4.0)


def test_the_potential_takes_the_discount_of_the_agent() -> None:
    config = TrainConfig(
        shaping=ShapingConfig("potential"), agent=AgentConfig(options={"gamma": 0.9})
    )
    shaping = resolve_for_reward(resolve(config), Mini().spec).shaping
    assert (shaping.gamma, shaping.on_invalid) == (0.9, "skip")


def test_a_setting_of_another_shaping_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="only --shaping potential uses it"):
        TrainConfig(shaping=ShapingConfig("raw", gamma=0.9))


def test_the_command_of_a_configuration_names_what_is_not_usual() -> None:
    config = TrainConfig(
        env=EnvConfig("roborew/Press-v0", cameras=("side",)),
        agent=AgentConfig(options={"gae_lambda": 0.8}),
    )
    expected = "roborew train --env roborew/Press-v0 --cameras side --agent.gae-lambda 0.8"
    assert command(config) == expected


@pytest.mark.parametrize("env_id", TASKS)
def test_the_settings_that_suit_a_task_exist_and_a_user_overrides_them(env_id: str) -> None:
    task = make_task(env_id)
    config = resolve(TrainConfig(env=EnvConfig(env_id), reward=RewardConfig("oracle-dense")))
    assert task.train_ppo.items() <= config.agent.options.items()
    assert task.train_oracle.items() <= config.reward.options.items()
    own = TrainConfig(
        env=EnvConfig(env_id),
        reward=RewardConfig("oracle-dense", {"raw_coef": 0.7}),
        agent=AgentConfig(options={"gamma": 0.5}),
    )
    chosen = resolve(own)
    assert (chosen.reward.options["raw_coef"], chosen.agent.options["gamma"]) == (0.7, 0.5)


def test_a_run_of_before_scores_could_be_held_goes_on_without() -> None:
    """Its config.json names neither the settings of the environment's steps nor the raw score's."""
    config = resolve_for_reward(resolve(TrainConfig()), Mini().spec)
    written = to_json(config)
    for group, name in [("env", "horizon"), ("env", "action_repeat"), ("shaping", "raw_coef")]:
        del written[group][name]
    before = from_json(TrainConfig, written)
    assert resolve_for_reward(before, Mini().spec) == config


def test_a_run_of_before_success_could_be_paid_for_each_step_goes_on_without() -> None:
    """Though its task would ask for that pay in a new run."""
    config = resolve(
        TrainConfig(env=EnvConfig("roborew/CartPole-v1"), reward=RewardConfig("oracle-dense"))
    )
    assert config.reward.options["success_coef"] > 0
    written = to_json(config)
    del written["reward"]["options"]["success_coef"]
    before = from_json(TrainConfig, written)
    gain = paid_for_a_standing_pole(config) - paid_for_a_standing_pole(before)
    assert gain == pytest.approx(config.reward.options["success_coef"])


def paid_for_a_standing_pole(config: TrainConfig) -> float:
    """The reward of a step after which the goal of CartPole holds."""
    with closing(make_reward_env(config, 1, None)) as env:
        env.reset(seed=0)
        cast(Any, env.unwrapped).core.simulation.place(0, np.zeros(2), np.zeros(2))
        _, rewards, _, _, infos = env.step(np.zeros((1, 1)))
        assert infos["success"][0]
        return float(rewards[0])


@pytest.mark.parametrize("kind", ["raw", "potential"])
def test_a_raw_coef_is_refused_where_the_shaping_would_ignore_it(kind: Any) -> None:
    with pytest.raises(InvalidInputError, match="progress-delta"):
        TrainConfig(shaping=ShapingConfig(kind, raw_coef=0.1))


@pytest.mark.parametrize("setting", [{"horizon": 0}, {"action_repeat": 0}])
def test_steps_of_an_episode_are_counted_from_one_up(setting: dict[str, int]) -> None:
    with pytest.raises(InvalidInputError, match="at least 1; got 0"):
        TrainConfig(env=EnvConfig(**setting))  # pyright: ignore[reportArgumentType] - by name
