"""Learning from one's own best episodes: which these are, how they are cut out of what several
environments do, exact continuation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from roborew.agents.demonstrations import DemonstrationEpisode
from roborew.agents.self_imitation.agent import NOISE_RANGE, SelfImitation
from roborew.agents.self_imitation.config import SelfImitationConfig
from roborew.agents.self_imitation.episodes import EpisodeRecorder, pack_episodes, unpack_episodes
from roborew.checks.synthetic import POINT_SPACES, PointEnv, point_demonstrations
from roborew.errors import InvalidInputError

QUICK = SelfImitationConfig(
    clone_steps=60, refine_steps=30, round_steps=320, hidden_dim=32, report_every=8
)
ENVS = 8


def make_agent(seed: int = 0, config: SelfImitationConfig = QUICK) -> SelfImitation:
    agent = SelfImitation(*POINT_SPACES, config, seed)
    agent.use_demonstrations(point_demonstrations(8))
    return agent


def episode(number: int, pay: float, length: int = 3) -> DemonstrationEpisode:
    rng = np.random.default_rng(number)
    return DemonstrationEpisode(
        name="its own",
        observations=rng.random((length + 1, 4), np.float32),
        actions=rng.random((length, 2), np.float32),
        rewards=np.full(length, pay / length, np.float32),
    )


@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_what_is_imitated_is_better_than_most_whatever_the_scale_of_the_reward(
    scale: float,
) -> None:
    demonstrations = [replace(one, rewards=np.full(20, scale)) for one in point_demonstrations(8)]
    agent = SelfImitation(*POINT_SPACES, QUICK)
    agent.use_demonstrations(demonstrations)
    # Their mean is 8, the demonstrations' is 20, half way lies 14.
    pays = [2.0, 4.0, 5.0, 13.0, 16.0]
    agent._round_episodes = [episode(number, scale * pay) for number, pay in enumerate(pays)]
    figures = agent._imitate(PointEnv(2))
    assert figures["least_return"] == pytest.approx(14 * scale)
    assert figures["best_share"] == pytest.approx(1 / 5)
    np.testing.assert_array_equal(agent._best_episodes[0].actions, episode(4, 0).actions)


def test_it_learns_what_no_demonstration_showed() -> None:
    # Demonstrations that go half the way: the best of its own go on.
    agent = SelfImitation(*POINT_SPACES, replace(QUICK, noise=0.5, round_steps=1_280))
    agent.use_demonstrations(
        [replace(one, actions=0.3 * one.actions) for one in point_demonstrations(8)]
    )
    agent.learn(PointEnv(64), 0)
    before = mean_distance(agent)
    agent.learn(PointEnv(64), 5 * 1_280 * 4)
    assert mean_distance(agent) < 0.8 * before


def mean_distance(agent: SelfImitation) -> float:
    """From point to target at the end of episodes that are played without noise."""
    env, policy = PointEnv(64, horizon=8), agent.policy(64)
    observations, _ = env.reset(seed=7)
    for _ in range(8):
        observations, *_ = env.step(policy(observations))
    return float(env.distances().mean())


def test_each_episode_has_a_noise_of_its_own_within_the_range() -> None:
    agent, env = make_agent(), PointEnv(ENVS)
    agent.learn(env, ENVS)
    assert agent._running is not None
    first = agent._running.noise.copy()
    assert len(set(first.tolist())) == ENVS
    assert (first <= QUICK.noise).all() and (first >= QUICK.noise / NOISE_RANGE).all()
    # It stays until the episode ends, after 20 steps.
    agent.learn(env, 19 * ENVS)
    np.testing.assert_array_equal(agent._running.noise, first)
    agent.learn(env, 20 * ENVS)
    assert not np.isin(agent._running.noise, first).any()


def test_episodes_side_by_side_are_the_same_as_alone() -> None:
    steps, envs = 30, 3
    rng = np.random.default_rng(0)
    observations = rng.random((steps + 1, envs, 4), np.float32)
    actions, rewards = rng.random((steps, envs, 2), np.float32), rng.random((steps, envs))
    done = rng.random((steps, envs)) < 0.2

    def record(columns: list[int]) -> list[DemonstrationEpisode]:
        recorder = EpisodeRecorder(4, 2, len(columns))
        return [
            one
            for t in range(steps)
            for one in recorder.add(
                observations[t, columns],
                actions[t, columns],
                rewards[t, columns],
                observations[t + 1, columns],
                done[t, columns],
            )
        ]

    together = record([0, 1, 2])
    alone = [one for env in range(envs) for one in record([env])]
    assert len(together) == len(alone) == done.sum()
    for one in alone:
        same = [other for other in together if np.array_equal(one.actions, other.actions)]
        assert len(same) == 1
        np.testing.assert_array_equal(one.observations, same[0].observations)
        np.testing.assert_array_equal(one.rewards, same[0].rewards)


def test_the_recorder_forgets_what_no_running_episode_needs() -> None:
    recorder = EpisodeRecorder(4, 2, 2)
    nothing = np.zeros((2, 4)), np.zeros((2, 2), np.float32), np.zeros(2), np.zeros((2, 4))
    for _ in range(5):
        recorder.add(*nothing, np.array([True, False]))
    assert len(recorder.state_dict()["steps"]) == 5
    recorder.add(*nothing, np.array([False, True]))
    assert len(recorder.state_dict()["steps"]) == 1


@pytest.mark.parametrize("lengths", [[], [3], [3, 1, 5]], ids=str)
def test_packed_episodes_come_back(lengths: list[int]) -> None:
    episodes = [episode(number, 1.0, length) for number, length in enumerate(lengths)]
    again = unpack_episodes(pack_episodes(episodes))
    assert len(again) == len(episodes)
    for ours, theirs in zip(again, episodes, strict=True):
        np.testing.assert_array_equal(ours.observations, theirs.observations)
        np.testing.assert_array_equal(ours.actions, theirs.actions)
        np.testing.assert_array_equal(ours.rewards, theirs.rewards)


# In the midst of a first round, and of a later one.
@pytest.mark.parametrize("stop", [128, 448])
def test_interrupted_and_resumed_equals_uninterrupted_bit_for_bit(stop: int) -> None:
    total = 1_024
    whole = make_agent(3)
    whole.learn(PointEnv(ENVS), total)

    first_env, first = PointEnv(ENVS), make_agent(3)
    first.learn(first_env, total, lambda report: report.steps < stop)
    (arrays, meta), simulator = first.state_dict(), first_env.get_state()

    second_env, second = PointEnv(ENVS), make_agent(5)
    second_env.set_state(simulator)
    second.load_state_dict(arrays, meta)
    second.learn(second_env, total)

    expected, actual = whole.state_dict(), second.state_dict()
    assert expected[1] == actual[1]
    assert expected[0].keys() == actual[0].keys()
    assert "best/actions" in expected[0]
    for key, value in expected[0].items():
        np.testing.assert_array_equal(value, actual[0][key], err_msg=key)


def test_without_demonstrations_it_says_what_to_do() -> None:
    with pytest.raises(InvalidInputError, match="--demos"):
        SelfImitation(*POINT_SPACES, QUICK).learn(PointEnv(2), 64)


def test_demonstrations_that_were_not_paid_are_refused() -> None:
    unpaid = [replace(one, rewards=None) for one in point_demonstrations(2)]
    with pytest.raises(InvalidInputError, match="no rewards"):
        SelfImitation(*POINT_SPACES, QUICK).use_demonstrations(unpaid)


@pytest.mark.parametrize(
    "bad", [{"min_return_share": 2}, {"noise": -1}, {"round_steps": 0}], ids=str
)
def test_settings_that_cannot_learn_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError, match=next(iter(bad))):
        SelfImitationConfig(**bad)
