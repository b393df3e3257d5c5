"""Every agent path on clocks: which frame is scored, and what an agent learns from when the true
reward is NaN."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from roborew.agents.ppo import PPO, PPOConfig
from roborew.agents.rollout_report import RolloutReport
from roborew.agents.sb3 import SB3PPO, SB3SAC, SB3PPOConfig, SB3SACConfig, as_sb3
from roborew.shaping import ProgressDelta
from roborew.wrappers import LearnedReward, SuccessDetector
from tests.roborew.wrappers.clock_environment import (
    ACTIONS,
    OBSERVATIONS,
    ClockModel,
    NativeClocks,
    clocks,
)

HORIZONS = [5, 7]
CONFIG = PPOConfig(n_steps=8, n_epochs=2, batch_size=16, hidden_dim=8)


def make_agent(kind: str, seed: int = 0) -> Any:
    if kind == "ppo":
        return PPO(OBSERVATIONS, ACTIONS, CONFIG, seed)
    if kind == "sb3-ppo":
        return SB3PPO(
            OBSERVATIONS,
            ACTIONS,
            SB3PPOConfig(n_steps=8, batch_size=16, n_epochs=2, hidden_dim=8),
            seed,
        )
    config = SB3SACConfig(
        batch_size=8,
        learning_starts=16,
        gradient_steps=1,
        hidden_dim=8,
        report_every=8,
        buffer_size=500,
    )
    return SB3SAC(OBSERVATIONS, ACTIONS, config, seed)


def learned(make: Any = NativeClocks, **options: Any) -> LearnedReward:
    return LearnedReward(
        make(HORIZONS),
        ClockModel(),
        "read the clock",
        **{"success_detector": None, "score_every": 3, **options},
    )


class Witness(LearnedReward):
    """Writes down, at the last step of each episode, environment and score."""

    def step(self, actions: Any) -> Any:
        result = super().step(actions)
        self.ends: list[tuple[int, float]] = getattr(self, "ends", [])
        self.ends += [
            (int(i), float(result[4]["score"][i])) for i in np.flatnonzero(result[2] | result[3])
        ]
        return result


@pytest.mark.parametrize("make", [NativeClocks, clocks])
@pytest.mark.parametrize("kind", ["ppo", "sb3-ppo", "sb3-sac"])
def test_every_agent_is_paid_for_the_final_frame_of_each_episode(kind: str, make: Any) -> None:
    """Also: its weights stay finite, although the environments' own reward is NaN at each step."""
    env = Witness(
        make(HORIZONS), ClockModel(), "read the clock", score_every=3, success_detector=None
    )
    reports: list[RolloutReport] = []
    agent = make_agent(kind)
    agent.learn(env, 4 * 16, reports.append)
    assert len(env.ends) == 32 // 5 + 32 // 7
    for index, score in env.ends:
        assert score == pytest.approx(HORIZONS[index] / 100)
    arrays, meta = agent.state_dict()
    weights = [value for key, value in arrays.items() if key.startswith(("network/", "policy/"))]
    assert weights and all(np.isfinite(value).all() for value in weights)
    assert json.loads(json.dumps(meta)) == meta
    full = [report for report in reports if report.episodes]
    assert full and all(
        np.isfinite(report.mean_return) and np.isnan(report.mean_true_return) for report in full
    )


def test_the_bridge_pays_every_episode_its_own_gain() -> None:
    bridge = as_sb3(learned(shaping=ProgressDelta(scale=100.0)))
    bridge.reset()
    totals, ended = np.zeros(2), []
    for _ in range(35):
        _, rewards, done, infos = bridge.step(np.zeros((2, 1)))
        totals += rewards
        for i in np.flatnonzero(done):
            ended.append((HORIZONS[i], totals[i]))
            assert infos[i]["terminal_observation"][0] == HORIZONS[i]
            totals[i] = 0
    assert len(ended) == 12
    np.testing.assert_allclose(
        [total for _, total in ended], [horizon for horizon, _ in ended], rtol=1e-5
    )


def test_predicted_and_false_successes_are_counted() -> None:
    """The model predicts success at step 5: true in the environment of 5 steps, false in that of 7."""
    env = LearnedReward(
        NativeClocks(HORIZONS),
        ClockModel(claim_at=5),
        "read the clock",
        score_every=1,
        success_detector=SuccessDetector(),
    )
    reports: list[RolloutReport] = []
    PPO(OBSERVATIONS, ACTIONS, PPOConfig(n_steps=10, batch_size=20)).learn(env, 40, reports.append)
    assert [
        (report.episodes, report.predicted_successes, report.false_successes) for report in reports
    ] == [(4, 4, 2)] * 2
    assert reports[0].final["success"] == 0.5
    assert reports[0].mean_return == pytest.approx(4 + 5 * 0.05)


@pytest.mark.parametrize("scoring", ["step", "rollout"])
def test_interrupted_equals_uninterrupted_through_the_learned_reward(scoring: str) -> None:
    whole, env = PPO(OBSERVATIONS, ACTIONS, CONFIG), learned(scoring=scoring)
    whole.learn(env, 6 * 16)

    first, first_env = PPO(OBSERVATIONS, ACTIONS, CONFIG), learned(scoring=scoring)
    first.learn(first_env, 6 * 16, lambda report: report.steps < 3 * 16)
    second, second_env = PPO(OBSERVATIONS, ACTIONS, CONFIG, seed=4), learned(scoring=scoring)
    second_env.set_state(first_env.get_state())
    second.load_state_dict(*first.state_dict())
    second.learn(second_env, 6 * 16)
    for key, value in whole.state_dict()[0].items():
        np.testing.assert_array_equal(value, second.state_dict()[0][key], err_msg=key)


def test_an_agent_learns_the_same_from_rollouts_scored_at_once_as_step_by_step() -> None:
    def weights(scoring: str) -> dict[str, Any]:
        agent = PPO(OBSERVATIONS, ACTIONS, CONFIG)
        agent.learn(learned(scoring=scoring), 5 * 16)
        arrays = agent.state_dict()[0]
        # A score that comes after the rollout is no info of a step.
        return {key: value for key, value in arrays.items() if "final/score" not in key}

    expected, actual = weights("step"), weights("rollout")
    for key, value in expected.items():
        np.testing.assert_array_equal(value, actual[key], err_msg=key)
