"""Offline: values of what was done, weights of demonstrations, and the clones that come of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from roborew.agents.bc import BC, BCConfig
from roborew.agents.demonstrations import DemonstrationEpisode
from roborew.agents.offline.iql import IQL, IQLConfig
from roborew.agents.offline.transitions import chunk_returns, paid_rewards, return_range
from roborew.agents.offline.values import expectile_loss
from roborew.agents.offline.weights import normalize_weights, progress_weights
from roborew.checks.synthetic import POINT_SPACES, PointEnv, point_demonstrations
from roborew.errors import InvalidInputError

QUICK = IQLConfig(hidden_dim=32, value_hidden_dim=32, batch_size=64, report_every=50)
STEPS = 180


def mixed() -> list[DemonstrationEpisode]:
    """From each start a point that is driven to its target, and one that is driven away; each is paid
    what it gains."""
    toward = point_demonstrations(12)
    away = []
    for good in toward:
        actions = -good.actions
        steps = np.concatenate([np.zeros((1, 2)), 0.2 * actions.cumsum(axis=0)])
        observations = np.tile(np.asarray(good.observations)[0], (len(steps), 1))
        observations[:, :2] += steps
        distances = np.linalg.norm(observations[:, :2] - observations[:, 2:], axis=1)
        away.append(
            DemonstrationEpisode(
                name=f"away-{good.name}",
                observations=observations.astype(np.float32),
                actions=actions,
                rewards=-np.diff(distances).astype(np.float32),
            )
        )
    return [*toward, *away]


def trained(agent: Any, episodes: list[DemonstrationEpisode], steps: int = STEPS) -> Any:
    agent.use_demonstrations(episodes)
    agent.learn(PointEnv(1), steps)
    return agent


def end_distance(agent: Any) -> float:
    env = PointEnv(32)
    observations, _ = env.reset(seed=123)
    policy = agent.policy(32)
    for _ in range(20):
        observations = env.step(policy(observations))[0]
    return float(np.median(env.distances()))


def assert_equal_arrays(first: Any, second: Any) -> None:
    expected, actual = first.state_dict()[0], second.state_dict()[0]
    assert expected.keys() == actual.keys()
    for key, value in expected.items():
        np.testing.assert_array_equal(value, actual[key], err_msg=key)


def test_of_two_moves_in_one_state_the_one_that_gains_is_cloned() -> None:
    # Nothing is paid at the end, so most is to come where an episode begins.
    config = replace(QUICK, value_share=0.5, focus=0, beta=50, tau=0.1, value_learning_rate=3e-3)
    episodes = mixed()
    agent = trained(IQL(*POINT_SPACES, config), episodes, 400)
    firsts = np.cumsum([0, *(len(episode.actions) for episode in episodes)])[:-1]
    weights = agent.weights()[firsts]
    starts = np.stack([episode.observations[0] for episode in episodes[:12]])
    assert (weights[:12] > 2 * weights[12:]).mean() > 0.8, weights
    toward = (agent.act(starts) * (starts[:, 2:] - starts[:, :2])).sum(axis=1)
    assert (toward > 0).mean() > 0.8, toward


def test_where_all_are_paid_the_same_it_is_a_plain_clone() -> None:
    episodes = [
        replace(episode, rewards=np.full(len(episode.actions), 0.7, np.float32))
        for episode in point_demonstrations(6)
    ]
    agent = trained(IQL(*POINT_SPACES, QUICK, seed=3), episodes, 150)
    config = BCConfig(hidden_dim=32, batch_size=64, report_every=50)
    clone = trained(BC(*POINT_SPACES, config, seed=3), episodes, 100)
    assert (agent.weights() == 1).all()
    for key, value in clone.state_dict()[0].items():
        np.testing.assert_array_equal(value, agent.state_dict()[0][f"clone/{key}"], err_msg=key)


@pytest.mark.parametrize("stop", [50, 60, 110])
def test_an_interrupted_one_equals_an_uninterrupted_one(stop: int) -> None:
    """While values are learned, between both, and while chunks are cloned."""
    whole = trained(IQL(*POINT_SPACES, QUICK), mixed())
    first = IQL(*POINT_SPACES, QUICK)
    first.use_demonstrations(mixed())
    first.learn(PointEnv(1), STEPS, lambda report: report.steps < stop)
    assert first.steps == stop
    second = IQL(*POINT_SPACES, QUICK, seed=9)
    second.use_demonstrations(mixed())
    second.load_state_dict(*first.state_dict())
    second.learn(PointEnv(1), STEPS)
    assert_equal_arrays(whole, second)


def test_an_expectile_of_a_half_is_the_mean_and_a_larger_one_lies_above() -> None:
    values = torch.tensor([0.0, 1.0, 5.0])

    def slope(constant: float, expectile: float) -> float:
        at = torch.tensor(constant, requires_grad=True)
        expectile_loss(values - at, expectile).backward()
        assert at.grad is not None
        return float(at.grad)

    assert slope(2.0, 0.5) == pytest.approx(0, abs=1e-6)
    # Still falling at the mean: the best constant lies above it.
    assert slope(2.0, 0.9) < 0 < slope(5.0, 0.9)


@pytest.mark.parametrize("terminated", [True, False])
def test_what_a_chunk_returns_is_the_discounted_sum_of_its_rewards(terminated: bool) -> None:
    episode = replace(point_demonstrations(1)[0], terminated=terminated)
    result = chunk_returns(episode, 3, 0.9)
    assert episode.rewards is not None
    length = len(episode.rewards)
    for step in range(length):
        end = min(step + 3, length)
        rewards = episode.rewards[step:end]
        expected = sum(0.9**k * float(reward) for k, reward in enumerate(rewards))
        assert result.returns[step] == pytest.approx(expected, abs=1e-6)
        discount = 0.0 if terminated and end == length else 0.9 ** (end - step)
        assert result.discounts[step] == pytest.approx(discount)
        np.testing.assert_array_equal(result.following[step], episode.observations[end])


def test_a_payment_for_several_steps_is_spread_over_them_and_none_is_lost() -> None:
    nan = np.nan
    episode = DemonstrationEpisode(
        name="sparse",
        observations=np.zeros((6, 4), np.float32),
        actions=np.zeros((5, 2), np.float32),
        rewards=np.array([0, 0, 0, 4, 3], np.float32),
        scores=np.array([0, nan, nan, nan, 0.5, 0.7], np.float32),
    )
    assert paid_rewards(episode).tolist() == [1, 1, 1, 1, 3]


def test_focus_weighs_episodes_by_what_they_were_paid_and_nothing_within_one() -> None:
    episodes = mixed()
    weights: list[Any] = []
    for focus in (0.0, 1.0):
        agent = trained(IQL(*POINT_SPACES, replace(QUICK, focus=focus)), episodes, 60)
        weights.append(agent.weights())
    assert all((one >= 0).all() and np.isfinite(one).all() for one in weights)

    lengths = [len(episode.actions) for episode in episodes]
    ends = np.cumsum(lengths)[:-1]
    parts = np.split(weights[1] / weights[0], ends)
    for part in parts:
        np.testing.assert_allclose(part, part[0], rtol=1e-3)
    ratios = np.array([part[0] for part in parts])
    returns = np.array([paid_rewards(episode).sum() for episode in episodes])
    shares = (returns - returns.min()) / return_range(episodes)
    expected = np.exp(QUICK.beta * (shares - shares[0]))
    np.testing.assert_allclose(ratios / ratios[0], expected, rtol=1e-2)


def test_demonstrations_that_were_not_paid_are_refused() -> None:
    unpaid = [replace(episode, rewards=None) for episode in point_demonstrations(2)]
    with pytest.raises(InvalidInputError, match="point-0 has no rewards"):
        IQL(*POINT_SPACES).use_demonstrations(unpaid)
    with pytest.raises(InvalidInputError, match="--demos"):
        IQL(*POINT_SPACES).learn(PointEnv(1), 10)
    with pytest.raises(InvalidInputError, match="not scored"):
        BC(*POINT_SPACES, BCConfig(weighting="progress")).use_demonstrations(unpaid)


@pytest.mark.parametrize(
    ("name", "value"), [("expectile", 1.0), ("beta", -1.0), ("value_share", 0.0), ("tau", 2.0)]
)
def test_a_setting_out_of_its_range_is_refused(name: str, value: float) -> None:
    with pytest.raises(InvalidInputError, match=rf"IQLConfig\.{name}"):
        IQLConfig(**{name: value})


def test_progress_weighs_as_the_formula_says() -> None:
    scores = [np.array([0.0, 0.1, 0.1, 0.105, 0.02]), np.array([0.5, 0.5, 0.5])]
    weights = progress_weights(scores, horizon=1)
    gains = np.array([0.1, 0, 0.005, -0.085, 0, 0, 0, 0])
    mean, std = max(gains.mean(), 0), gains.std()
    soft = (gains - mean + 2 * std) / (4 * std + 1e-6)
    expected = np.array([1, soft[1], soft[2], 0, soft[4], soft[5], soft[6], soft[7]])
    np.testing.assert_allclose(np.concatenate(weights), expected, atol=1e-6)


def test_frames_that_were_not_scored_lie_between_those_that_were() -> None:
    nan = np.nan
    sparse = progress_weights([np.array([0, nan, 0.2, nan, 0.1]), np.array([0.3, nan])], 1)
    full = progress_weights([np.array([0, 0.1, 0.2, 0.15, 0.1])], 1)
    np.testing.assert_allclose(sparse[0], full[0], atol=1e-6)
    assert sparse[1].tolist() == [1, 1]
    with pytest.raises(InvalidInputError, match="scored no two frames"):
        progress_weights([np.array([0.3, nan])], 1)


def test_weights_have_a_mean_of_one_and_no_weight_at_all_is_refused() -> None:
    weights = normalize_weights(np.array([0.0, 0.5, 1.0, 1.0]))
    assert weights.mean() == pytest.approx(1) and (weights >= 0).all()
    for wrong in ([0.0, 0.0], [1.0, -0.5], [1.0, np.nan]):
        with pytest.raises(InvalidInputError, match="sees progress nowhere"):
            normalize_weights(np.array(wrong))


def test_a_score_that_never_moves_gives_a_plain_clone() -> None:
    episodes = [
        replace(episode, scores=np.full(len(episode.observations), 0.4, np.float32))
        for episode in point_demonstrations(3)
    ]
    config = BCConfig(hidden_dim=16, batch_size=16)
    plain = trained(BC(*POINT_SPACES, config), episodes, 20)
    weighed = trained(BC(*POINT_SPACES, replace(config, weighting="progress")), episodes, 20)
    assert_equal_arrays(plain, weighed)


def test_what_loses_progress_counts_nothing() -> None:
    episodes = []
    for episode in mixed():
        distances = np.linalg.norm(
            episode.observations[:, :2] - episode.observations[:, 2:], axis=1
        )
        episodes.append(replace(episode, scores=(1 - distances / 6).astype(np.float32)))
    config = BCConfig(hidden_dim=32, weighting="progress")
    agent = BC(*POINT_SPACES, config)
    agent.use_demonstrations(episodes)
    weights = agent._weights.reshape(len(episodes), -1)
    # The first moves: one from each start gains, the other loses.
    assert (weights[12:, 0] == 0).all() and (weights[:12, 0] > 0).all()
