"""Corrections of a clone: what the clone does without them, whose chunks they see, exact
continuation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from roborew.agents.bc import BC, BCConfig
from roborew.agents.residual import CorrectedEnv, Residual, ResidualConfig
from roborew.checks.synthetic import POINT_SPACES, PointEnv, point_demonstrations
from roborew.errors import InvalidInputError

QUICK = ResidualConfig(n_steps=8, n_epochs=2, batch_size=32, clone_steps=60)


def make_agent(seed: int = 0, config: ResidualConfig = QUICK) -> Residual:
    agent = Residual(*POINT_SPACES, config, seed)
    agent.use_demonstrations(point_demonstrations(8))
    return agent


def test_without_corrections_it_does_what_the_clone_does() -> None:
    agent = make_agent()
    agent.learn(PointEnv(4), 0)
    clone = BC(*POINT_SPACES, BCConfig(chunk_size=QUICK.chunk_size), seed=0)
    clone.use_demonstrations(point_demonstrations(8))
    clone.learn(PointEnv(4), QUICK.clone_steps)
    observations, _ = PointEnv(4).reset(seed=1)
    largest = QUICK.residual_scale * (POINT_SPACES[1].high - POINT_SPACES[1].low) / 2
    ours, theirs = agent.policy(4), clone.policy(4)
    for _ in range(6):
        difference = np.abs(ours(observations) - theirs(observations))
        # A new policy's mean is near 0, and no correction is larger than its scale.
        assert (difference < 0.1 * largest).all() and difference.any()


def test_what_ppo_sees_is_the_action_that_the_clone_alone_would_do() -> None:
    agent = make_agent()
    agent.learn(PointEnv(4), 0)
    env = CorrectedEnv(PointEnv(4), agent._clone.policy(4), agent._corrected)
    alone, beside = agent._clone.policy(4), PointEnv(4)
    seen, _ = env.reset(seed=3)
    observations, _ = beside.reset(seed=3)
    no_correction = np.zeros((4, 2), np.float32)
    for _ in range(45):
        actions = alone(observations)
        clone_alone = agent._scale.from_environment(actions)
        np.testing.assert_allclose(seen[:, -2:], clone_alone, atol=1e-6)
        seen, _, terminated, truncated, _ = env.step(no_correction)
        observations, *_ = beside.step(actions)
        # Episodes end one by one, and the chunks of the others go on.
        ended = terminated | truncated
        if ended.any():
            seen, _ = env.reset(options={"reset_mask": ended})
            observations, _ = beside.reset(options={"reset_mask": ended})
            alone.begin(ended)


def test_interrupted_and_resumed_equals_uninterrupted_bit_for_bit() -> None:
    total = 8 * 8 * 6
    whole = make_agent(3)
    whole.learn(PointEnv(8), total)

    first_env, first = PointEnv(8), make_agent(3)
    first.learn(first_env, total, lambda report: report.steps < 8 * 8 * 3)
    (arrays, meta), simulator = first.state_dict(), first_env.get_state()

    second_env, second = PointEnv(8), make_agent(5)
    second_env.set_state(simulator)
    second.load_state_dict(arrays, meta)
    # Saved again before it has learned: nothing of the running episodes is lost.
    arrays, meta = second.state_dict()
    second.load_state_dict(arrays, meta)
    second.learn(second_env, total)

    expected, actual = whole.state_dict(), second.state_dict()
    assert expected[1] == actual[1]
    assert expected[0].keys() == actual[0].keys()
    for key, value in expected[0].items():
        np.testing.assert_array_equal(value, actual[0][key], err_msg=key)


def test_without_demonstrations_it_says_what_to_do() -> None:
    with pytest.raises(InvalidInputError, match="--demos"):
        Residual(*POINT_SPACES, QUICK).learn(PointEnv(2), 64)


@pytest.mark.parametrize(
    "bad", [{"residual_scale": 0}, {"residual_scale": 2}, {"clone_steps": 0}], ids=str
)
def test_settings_that_cannot_learn_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError, match=next(iter(bad))):
        ResidualConfig(**bad)
