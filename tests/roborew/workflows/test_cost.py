"""What a run will ask of a judge is announced as it will be asked."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import pytest

from roborew.rewards.vlm.roboreward import RoboReward
from roborew.workflows.factories import make_env
from roborew.workflows.reward_check import NUM_CHECK_EPISODES
from roborew.workflows.train.config import EnvConfig, EvaluationConfig, TrainConfig
from roborew.workflows.train.cost import describe_training_cost, time_limit
from tests.roborew.rewards.vlm.scripted_judge import ScriptedJudge

CONFIG = TrainConfig(env=EnvConfig(id="roborew/CartPole-v0"), score_every=4)


@pytest.mark.parametrize("episodes", [3, 40])
def test_the_evaluation_is_counted_with_its_own_episodes_policies_and_baselines(
    episodes: int,
) -> None:
    config = replace(CONFIG, evaluation=EvaluationConfig(episodes=episodes))
    model = RoboReward(judge=ScriptedJudge(lambda question: None))
    with closing(make_env(config, 1)) as env:
        (line,) = describe_training_cost(config, model, None, env)
        horizon = time_limit(env)
    assert horizon is not None
    frames = 1 + horizon // 4
    checked = min(episodes, NUM_CHECK_EPISODES)
    # Agent, random and expert; the agent's own and four baselines; forward and back.
    lengths = [frames] * (3 * episodes + 5 * checked) + [2 * frames - 1] * checked
    questions = sum(model.estimate_cost(length).questions for length in lengths)
    assert f"{questions:,} questions" in line
    assert f"--evaluation.episodes, now {episodes}, sets how many" in line


def test_a_reward_without_a_judge_costs_nothing() -> None:
    with closing(make_env(CONFIG, 1)) as env:
        assert describe_training_cost(CONFIG, None, 8, env) == []
