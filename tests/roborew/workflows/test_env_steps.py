"""A run's horizon and action repeat are those of its evaluation; further settings reach the
environment."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from gymnasium.error import Error

from roborew.data.reading import read_demonstrations
from roborew.errors import InvalidInputError
from roborew.workflows.collect.collect import collect_demonstrations
from roborew.workflows.collect.config import CollectConfig
from roborew.workflows.evaluate import RunEvaluation, evaluate_run
from roborew.workflows.parts import AgentConfig, RewardConfig
from roborew.workflows.train.config import EnvConfig, TrainConfig
from roborew.workflows.train.loop import start, train


def short_config(env: EnvConfig, reward: str, instruction: str | None = None) -> TrainConfig:
    """Of a run of one rollout."""
    return TrainConfig(
        env=env,
        instruction=instruction,
        reward=RewardConfig(reward),
        agent=AgentConfig(options={"n_steps": 4, "n_epochs": 1}),
        num_envs=2,
        total_timesteps=8,
    )


def evaluation_of(config: TrainConfig, path: Path) -> RunEvaluation:
    """Train, and evaluate two episodes."""
    with start(config, path) as run:
        train(run)
        return evaluate_run(run, 2)


def test_an_evaluation_has_the_steps_of_its_run(tmp_path: Path) -> None:
    env = EnvConfig("roborew/MountainCar-v0", horizon=10, action_repeat=4)
    evaluation = evaluation_of(short_config(env, "oracle-dense"), tmp_path / "run")
    assert [episode.length for episode in evaluation.agent.episodes] == [3, 3]


@pytest.mark.parametrize(
    ("env_id", "options", "message"),
    [
        ("Reacher-v5", ("frame_skips=4",), "frame_skips.* Available: .*frame_skip"),
        ("Reacher-v5", ("width=64",), "width cannot be given here"),
        ("Reacher-v5", ("frame_skip",), "expected key=value"),
        ("roborew/Press-v0", ("frame_skip=4",), "no further settings"),
    ],
)
def test_a_setting_that_an_environment_has_not_is_refused_before_anything_is_written(
    env_id: str, options: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    config = TrainConfig(
        env=EnvConfig(env_id, options=options),
        instruction="reach it",
        reward=RewardConfig("env"),
    )
    with pytest.raises((InvalidInputError, Error), match=message):
        start(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    demos = CollectConfig(behaviors=("random",), instruction="reach it", options=options)
    with pytest.raises((InvalidInputError, Error), match=message):
        collect_demonstrations(env_id, demos, tmp_path / "demos")
    assert not (tmp_path / "demos").exists()


def test_a_set_has_the_horizon_and_the_settings_of_the_environment_that_were_asked_for(
    tmp_path: Path,
) -> None:
    options = ("reward_control_weight=0.0", "reward_dist_weight=0.0")
    demos = CollectConfig(
        behaviors=("random",), instruction="reach it", episodes=1, horizon=7, options=options
    )
    (demo,) = read_demonstrations(collect_demonstrations("Reacher-v5", demos, tmp_path / "demos"))
    assert demo.length == 8
    assert demo.rewards is not None
    # Nothing else is paid there.
    assert (demo.rewards == 0.0).all()


def test_a_run_is_told_success_by_the_reward_of_a_step(tmp_path: Path) -> None:
    # Pendulum pays more than that for every step.
    env = EnvConfig("Pendulum-v1", horizon=4, success_reward=-100.0)
    config = short_config(env, "env", "swing up")
    evaluation = evaluation_of(config, tmp_path / "run")
    for episode in evaluation.agent.episodes:
        assert episode.success == (False, True, True, True, True)
    own = replace(config, env=EnvConfig("roborew/Press-v0", success_reward=1.0))
    with pytest.raises(InvalidInputError, match="tells success itself"):
        start(own, tmp_path / "other")
