"""Cloning: chunks, their ensemble, and what it clones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box
from numpy.typing import NDArray

from roborew.agents.bc import BC, BCConfig, ChunkPolicy
from roborew.agents.demonstrations import DemonstrationEpisode
from roborew.agents.env_checks import ActionScale
from roborew.checks.synthetic import POINT_SPACES, PointEnv, point_demonstrations
from roborew.errors import InvalidInputError

QUICK = BCConfig(hidden_dim=32, batch_size=64, report_every=50)


def clone(config: BCConfig = QUICK, steps: int = 200, seed: int = 0) -> BC:
    agent = BC(*POINT_SPACES, config, seed)
    agent.use_demonstrations(point_demonstrations(8))
    agent.learn(PointEnv(1), steps)
    return agent


def test_a_clone_does_what_it_was_shown() -> None:
    """On starts that it never saw it ends nearer the target than the nearest that chance came."""
    env = PointEnv(32)
    observations, _ = env.reset(seed=123)
    policy = clone(steps=400).policy(32)
    policy.begin(np.ones(32, np.bool_))
    start = env.distances()
    for _ in range(20):
        observations = env.step(policy(observations))[0]
    assert np.median(env.distances()) < 0.2 * np.median(start)


def test_what_counts_nothing_is_as_if_it_were_not_there() -> None:
    shown = point_demonstrations(8)
    # Far away, and the other way round.
    other = [
        replace(one, observations=3 + 5 * np.asarray(one.observations), actions=-one.actions)
        for one in shown
    ]
    agent = BC(*POINT_SPACES, QUICK)
    agent.use_demonstrations([*shown, *other])
    sizes = [sum(len(one.actions) for one in part) for part in (shown, other)]
    agent.weigh(np.repeat([2.0, 0.0], sizes))
    agent.learn(PointEnv(1), 200)
    alone = clone()
    for name in ("mean", "std"):
        mine, theirs = (one.state_dict()[0][f"observations/{name}"] for one in (agent, alone))
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6)
    starts = np.stack([np.asarray(one.observations)[0] for one in shown])
    # They drew other batches of the same samples.
    assert np.abs(agent.act(starts) - alone.act(starts)).mean() < 0.15
    with pytest.raises(InvalidInputError, match="nothing to clone"):
        BC(*POINT_SPACES, QUICK).weigh(np.ones(3))


def test_samples_that_count_the_same_again_are_as_never_weighed() -> None:
    agent, never = BC(*POINT_SPACES, QUICK), clone(steps=20)
    agent.use_demonstrations(point_demonstrations(8))
    count = len(agent.samples()[0])
    agent.weigh(np.linspace(0, 1, count))
    agent.weigh(np.full(count, 3.0))
    agent.learn(PointEnv(1), 20)
    for name, array in never.state_dict()[0].items():
        np.testing.assert_array_equal(array, agent.state_dict()[0][name], err_msg=name)


def test_chunks_end_with_the_episode() -> None:
    agent = BC(*POINT_SPACES, BCConfig(chunk_size=3))
    actions = np.linspace(-1, 1, 8, dtype=np.float32).reshape(4, 2)
    targets, inside = agent._chunks(actions)
    assert targets.shape == (4, 3, 2) and inside.shape == (4, 3, 1)
    np.testing.assert_allclose(targets[0], actions[:3], atol=1e-6)
    assert inside[..., 0].tolist() == [[1, 1, 1], [1, 1, 1], [1, 1, 0], [1, 0, 0]]


def test_what_lies_beyond_the_end_changes_no_weight() -> None:
    """The loss ignores the padding: a clone of one action a chunk equals itself however long the
    chunk's padding is."""
    episode = point_demonstrations(1)[0]
    short = DemonstrationEpisode(
        name="short", observations=episode.observations[:2], actions=episode.actions[:1]
    )
    agent = BC(*POINT_SPACES, BCConfig(chunk_size=4, hidden_dim=8, batch_size=4))
    agent.use_demonstrations([short])
    before = agent._predict(short.observations[:1])
    agent.learn(PointEnv(1), 20)
    weight = agent.state_dict()[0]["network/4.weight"].reshape(4, 2, -1)
    fresh = BC(*POINT_SPACES, BCConfig(chunk_size=4, hidden_dim=8, batch_size=4))
    first = fresh.state_dict()[0]["network/4.weight"].reshape(4, 2, -1)
    assert not np.array_equal(weight[0], first[0]) and before.shape == (1, 4, 2)
    np.testing.assert_array_equal(weight[1:], first[1:])


def counting(observations: NDArray[np.floating]) -> NDArray[np.float32]:
    """Chunks of three: what a prediction of this moment says of the moments to come is its own
    observation, so that the age of every share shows."""
    return np.repeat(observations.astype(np.float32)[:, None], 3, axis=1)


def test_the_ensemble_weighs_the_predictions_of_this_step_by_their_age() -> None:
    decay = 0.5
    policy = ChunkPolicy(counting, ActionScale(Box(-1, 1, (1,))), 1, decay)
    policy.begin(np.array([True]))
    values = [0.1, 0.4, -0.2, 0.3]
    actions = [policy(np.array([[value]]))[0, 0] for value in values]
    for step, action in enumerate(actions):
        known = values[max(0, step - 2) : step + 1][::-1]
        weights = np.exp(decay * np.arange(len(known)))
        assert action == pytest.approx((weights * known).sum() / weights.sum(), abs=1e-6)


def test_an_episode_knows_nothing_of_the_one_before_nor_of_its_neighbor() -> None:
    scale = ActionScale(Box(-1, 1, (1,)))
    policy = ChunkPolicy(counting, scale, 2, 0.1)
    policy.begin(np.ones(2, np.bool_))
    policy(np.array([[0.9], [0.5]]))
    policy.begin(np.array([True, False]))
    mixed = policy(np.array([[-0.4], [-0.5]]))
    alone = ChunkPolicy(counting, scale, 1, 0.1)
    alone(np.array([[0.5]]))
    assert mixed[0, 0] == pytest.approx(-0.4, abs=1e-6)
    assert mixed[1, 0] == pytest.approx(alone(np.array([[-0.5]]))[0, 0], abs=1e-6)


def test_an_interrupted_clone_equals_an_uninterrupted_one() -> None:
    whole = clone()
    first = BC(*POINT_SPACES, QUICK)
    first.use_demonstrations(point_demonstrations(8))
    first.learn(PointEnv(1), 200, lambda report: report.steps < 100)
    second = BC(*POINT_SPACES, QUICK, seed=9)
    second.use_demonstrations(point_demonstrations(8))
    second.load_state_dict(*first.state_dict())
    second.learn(PointEnv(1), 200)
    expected, actual = whole.state_dict()[0], second.state_dict()[0]
    assert expected.keys() == actual.keys()
    for key, value in expected.items():
        np.testing.assert_array_equal(value, actual[key], err_msg=key)


def test_making_one_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(4)
    expected = torch.rand(1)
    torch.manual_seed(4)
    BC(*POINT_SPACES)
    assert torch.equal(torch.rand(1), expected)


def test_without_demonstrations_it_says_what_to_do() -> None:
    with pytest.raises(InvalidInputError, match="--demos"):
        BC(*POINT_SPACES).learn(PointEnv(1), 10)


@pytest.mark.parametrize(
    ("observations", "actions", "words"),
    [
        (np.zeros((5, 3)), np.zeros((4, 2)), "environment's are"),
        (np.zeros((5, 4)), np.zeros((4, 7)), "environment's are"),
        (np.zeros((5, 4)), np.zeros((5, 2)), "one observation more"),
        (np.full((5, 4), np.nan), np.zeros((4, 2)), "observations hold NaN"),
        (np.zeros((5, 4)), np.full((4, 2), 100.0), "other units"),
    ],
)
def test_demonstrations_that_do_not_fit_are_refused(
    observations: NDArray[np.float64], actions: NDArray[np.float64], words: str
) -> None:
    episode = DemonstrationEpisode(
        name="strange",
        observations=observations.astype(np.float32),
        actions=actions.astype(np.float32),
    )
    with pytest.raises(InvalidInputError, match=f"strange.*{words}"):
        BC(*POINT_SPACES).use_demonstrations([episode])


def test_no_demonstrations_at_all_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="at least one"):
        BC(*POINT_SPACES).use_demonstrations([])
