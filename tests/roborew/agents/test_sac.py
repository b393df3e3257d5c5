"""SAC of our own: its memory by brute force, exact continuation, and that it learns."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import mannwhitneyu

from roborew.agents.demonstrations import DemonstrationEpisode
from roborew.agents.sac.agent import SAC, SACConfig
from roborew.agents.sac.networks import Actor, QEnsemble
from roborew.agents.sac.replay_buffer import ReplayBuffer, demonstration_buffer
from roborew.checks.synthetic import POINT_SPACES, PointEnv, point_demonstrations
from roborew.errors import InvalidInputError

QUICK = SACConfig(
    hidden_dim=32, batch_size=32, learning_starts=64, gradient_steps=2, report_every=8
)


def filled_buffer(rows: int, steps: int, num_envs: int = 2) -> tuple[ReplayBuffer, dict[int, Any]]:
    """A buffer whose observations count its steps; what stands in it, by that count."""
    rng = np.random.default_rng(0)
    buffer = ReplayBuffer(rows * num_envs, num_envs, 1, 1)
    table = dict[int, Any]()
    for step in range(steps):
        numbers = step * num_envs + np.arange(num_envs)
        rewards = rng.normal(size=num_envs).astype(np.float32)
        terminated = rng.random(num_envs) < 0.15
        done = terminated | (rng.random(num_envs) < 0.15)
        buffer.add(
            numbers[:, None],
            torch.zeros(num_envs, 1),
            rewards,
            numbers[:, None] + 0.5,
            terminated,
            done,
        )
        for env, number in enumerate(numbers.tolist()):
            table[number] = (float(rewards[env]), bool(terminated[env]), bool(done[env]))
    return buffer, table


@pytest.mark.parametrize("n_step", [1, 2, 5])
@pytest.mark.parametrize("steps", [4, 7, 19], ids=["begun", "full", "overwritten"])
def test_returns_of_several_steps_are_those_added_up_by_hand(n_step: int, steps: int) -> None:
    num_envs, gamma = 2, 0.9
    buffer, table = filled_buffer(7, steps, num_envs)
    batch = buffer.sample(300, n_step, gamma, torch.Generator().manual_seed(1))
    newest = steps - 1
    oldest = max(0, steps - 7)
    for row in range(300):
        number = int(batch.observations[row, 0])
        assert oldest <= number // num_envs <= newest
        total, factor, last = 0.0, 1.0, number
        for k in range(n_step):
            last = number + k * num_envs
            reward, _, done = table[last]
            total += factor * reward
            factor *= gamma
            if done or last // num_envs == newest:
                break
        assert batch.returns[row] == pytest.approx(total, abs=1e-5)
        assert batch.next_observations[row, 0] == last + 0.5
        expected = 0.0 if table[last][1] else factor
        assert batch.discounts[row] == pytest.approx(expected, abs=1e-6)


def test_every_remembered_step_is_drawn_and_no_other() -> None:
    buffer, _ = filled_buffer(7, 19)
    batch = buffer.sample(2_000, 1, 0.9, torch.Generator().manual_seed(0))
    assert set(batch.observations[:, 0].int().tolist()) == set(range(24, 38))


def test_demonstrations_follow_each_other_without_a_bridge() -> None:
    """A return never runs from one demonstration into the next."""
    episodes = point_demonstrations(3)
    buffer = demonstration_buffer(episodes, [episode.actions for episode in episodes])
    assert len(buffer) == sum(len(episode.actions) for episode in episodes)
    batch = buffer.sample(500, 50, 1.0, torch.Generator().manual_seed(0))
    ends = torch.as_tensor(np.stack([episode.observations[-1] for episode in episodes]))
    distances = torch.cdist(batch.next_observations, ends).amin(dim=1)
    assert float(distances.max()) < 1e-6


def test_an_ensemble_is_its_members() -> None:
    torch.manual_seed(0)
    ensemble = QEnsemble(3, 2, 16, num_members=3)
    observations, actions = torch.randn(5, 3), torch.randn(5, 2)
    together = ensemble(observations, actions)
    for member in range(3):
        alone = QEnsemble(3, 2, 16, num_members=1)
        state = {name: value[member : member + 1] for name, value in ensemble.state_dict().items()}
        alone.load_state_dict(state)
        torch.testing.assert_close(alone(observations, actions)[0], together[member])


def test_the_log_density_is_that_of_a_squashed_gaussian() -> None:
    torch.manual_seed(0)
    actor = Actor(3, 2, 16).double()
    observations = torch.randn(6, 3).double()
    actions, log_prob = actor.sample(observations, torch.randn(6, 2).double())
    mean, log_std = actor(observations)
    normal = torch.distributions.Normal(mean, log_std.exp())
    squashed = torch.distributions.TransformedDistribution(
        normal, [torch.distributions.TanhTransform()]
    )
    torch.testing.assert_close(log_prob, squashed.log_prob(actions).sum(dim=1))


def make_agent(seed: int = 0, config: SACConfig = QUICK, demonstrations: int = 0) -> SAC:
    agent = SAC(*POINT_SPACES, config, seed)
    if demonstrations:
        agent.use_demonstrations(point_demonstrations(demonstrations))
    return agent


class UnpaidEnv(PointEnv):
    """One in which nothing is worth anything."""

    def step(self, actions: Any) -> Any:
        observations, rewards, *rest = super().step(actions)
        return observations, np.zeros_like(rewards), *rest


def final_distance(agent: SAC) -> float:
    env = PointEnv(64)
    observations, _ = env.reset(seed=999)
    for _ in range(20):
        observations = env.step(agent.act(observations))[0]
    return float(env.distances().mean())


@pytest.mark.parametrize("demonstrations", [0, 4])
def test_it_learns_to_drive_a_point_to_its_target(demonstrations: int) -> None:
    config = replace(QUICK, batch_size=64, learning_rate=4e-3, tau=0.02, n_step=1)
    trained, untrained = [], []
    for seed in range(4):
        agent = make_agent(seed, config, demonstrations)
        untrained.append(final_distance(agent))
        agent.learn(PointEnv(16), 16 * 60)
        trained.append(final_distance(agent))
    assert mannwhitneyu(trained, untrained, alternative="less").pvalue < 0.05
    assert np.median(trained) < 0.5 * np.median(untrained)


@pytest.mark.parametrize(("demonstrations", "cloning_coef"), [(0, 0.0), (2, 0.0), (2, 1.0)])
def test_interrupted_and_resumed_equals_uninterrupted_bit_for_bit(
    demonstrations: int, cloning_coef: float
) -> None:
    """Reports come every 8 steps, episodes end after 20, and the memory of 30 rows turns over: the
    interruption falls into all of them."""
    config = replace(QUICK, buffer_size=8 * 30, cloning_coef=cloning_coef)
    whole = make_agent(3, config, demonstrations)
    whole.learn(PointEnv(8), 8 * 48)

    first_env = PointEnv(8)
    first = make_agent(3, config, demonstrations)
    first.learn(first_env, 8 * 48, lambda report: report.steps < 8 * 32)
    (arrays, meta), simulator = first.state_dict(), first_env.get_state()

    second_env = PointEnv(8)
    second_env.set_state(simulator)
    second = make_agent(5, config, demonstrations)
    second.load_state_dict(arrays, meta)
    second.learn(second_env, 8 * 48)

    expected, actual = whole.state_dict(), second.state_dict()
    assert expected[1] == actual[1]
    assert expected[0].keys() == actual[0].keys()
    for key, value in expected[0].items():
        np.testing.assert_array_equal(value, actual[0][key], err_msg=key)


def demonstration_distance(agent: SAC, episodes: list[DemonstrationEpisode]) -> float:
    """How far the likeliest actions are from the demonstrated ones, on average."""
    distances: list[float] = []
    for episode in episodes:
        difference = agent.act(episode.observations[:-1]) - episode.actions
        distances.append(float(np.square(difference).sum(axis=1).mean()))
    return float(np.mean(distances))


def distance_learned(worth: float, cloning_coef: float) -> float:
    """As `demonstration_distance`, the median of three seeds that learned where only what was
    demonstrated is paid, with ``worth``."""
    episodes = [
        replace(episode, rewards=np.full(len(episode.actions), worth, np.float32))
        for episode in point_demonstrations(4)
    ]
    found: list[float] = []
    for seed in range(3):
        config = replace(QUICK, batch_size=64, gamma=0.0, n_step=1, cloning_coef=cloning_coef)
        agent = SAC(*POINT_SPACES, config, seed)
        agent.use_demonstrations(episodes)
        agent.learn(UnpaidEnv(8), 8 * 40)
        found.append(demonstration_distance(agent, episodes))
    return float(np.median(found))


def test_what_was_demonstrated_is_imitated_where_it_is_worth_more() -> None:
    imitating = distance_learned(1.0, cloning_coef=10.0)
    assert imitating < 0.7 * distance_learned(1.0, cloning_coef=0.0)
    assert imitating < 0.7 * distance_learned(-1.0, cloning_coef=10.0)


def test_without_demonstrations_there_is_nothing_to_imitate() -> None:
    results = []
    for coefficient in (0.0, 1.0):
        agent = make_agent(config=replace(QUICK, cloning_coef=coefficient))
        agent.learn(PointEnv(8), 160)
        results.append(agent.state_dict()[0])
    for key, value in results[0].items():
        np.testing.assert_array_equal(value, results[1][key], err_msg=key)


def test_acting_alone_changes_nothing_that_was_learned() -> None:
    agent = make_agent()
    agent.learn(PointEnv(8), 160)
    before, _ = agent.state_dict()
    agent.act(np.zeros((3, 4), np.float32))
    after, _ = agent.state_dict()
    for key, value in before.items():
        np.testing.assert_array_equal(value, after[key], err_msg=key)


def test_a_reward_that_is_paid_later_is_refused() -> None:
    env = PointEnv(4)
    env.deferred = True  # type: ignore[attr-defined]
    with pytest.raises(InvalidInputError, match="scoring='step'"):
        make_agent().learn(env, 64)


def test_unpaid_demonstrations_are_refused() -> None:
    episode = replace(point_demonstrations(1)[0], rewards=None)
    with pytest.raises(InvalidInputError, match="no rewards"):
        make_agent().use_demonstrations([episode])


@pytest.mark.parametrize(
    "bad",
    [
        {"gamma": 1.5},
        {"tau": 0},
        {"batch_size": 0},
        {"n_step": 0},
        {"learning_rate": -1},
        {"cloning_coef": -1},
    ],
)
def test_settings_that_cannot_learn_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError, match=f"SACConfig.{next(iter(bad))}"):
        SACConfig(**bad)


def test_a_state_of_other_settings_or_spaces_is_refused() -> None:
    arrays, meta = make_agent().state_dict()
    with pytest.raises(InvalidInputError, match="the state is of"):
        make_agent(config=replace(QUICK, gamma=0.5)).load_state_dict(arrays, meta)
