"""Generalised advantages against the definition, written out, and against values worked by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roborew.agents.advantage import compute_gae
from roborew.agents.normalization import RewardNormalizer, RunningMeanStd


def slow_advantages(
    rewards: Any, values: Any, next_values: Any, done: Any, discount: float, trace: float
) -> Any:
    """Equation 16 as a sum over the rest of the episode, one entry at a time."""
    result = np.zeros_like(rewards)
    for n in range(rewards.shape[1]):
        for t in range(len(rewards)):
            for ahead in range(t, len(rewards)):
                delta = rewards[ahead, n] + discount * next_values[ahead, n] - values[ahead, n]
                result[t, n] += (discount * trace) ** (ahead - t) * delta
                if done[ahead, n]:
                    break
    return result


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.floats(0, 1), st.floats(0, 1))
def test_the_recursion_equals_the_sum(seed: int, discount: float, trace: float) -> None:
    generator = np.random.default_rng(seed)
    rewards, values, next_values = generator.normal(size=(3, 9, 4))
    arguments = (rewards, values, next_values, generator.random((9, 4)) < 0.3, discount, trace)
    np.testing.assert_allclose(compute_gae(*arguments), slow_advantages(*arguments), atol=1e-10)


def test_hand_values_across_the_end_of_an_episode() -> None:
    """Three steps; the episode is truncated after the second, whose final observation is worth
    4."""
    rewards, values = np.array([[1.0], [2.0], [3.0]]), np.array([[10.0], [20.0], [30.0]])
    next_values, done = np.array([[20.0], [4.0], [50.0]]), np.array([[False], [True], [False]])
    advantages = compute_gae(rewards, values, next_values, done, 0.5, 0.5)
    third = 3 + 0.5 * 50 - 30
    second = 2 + 0.5 * 4 - 20  # nothing of the third step
    first = 1 + 0.5 * 20 - 10 + 0.25 * second
    np.testing.assert_allclose(advantages.ravel(), [first, second, third])


@pytest.mark.parametrize("sizes", [[5, 1, 7], [13]])
def test_running_moments_equal_those_of_all_rows_together(sizes: list[int]) -> None:
    batches = [np.random.default_rng(size).normal(3, 2, (size, 4)) for size in sizes]
    moments = RunningMeanStd(4)
    for batch in batches:
        moments.update(batch)
    rows = np.concatenate(batches)
    np.testing.assert_allclose(moments.mean, rows.mean(axis=0))
    np.testing.assert_allclose(moments.variance, rows.var(axis=0))
    np.testing.assert_allclose(moments.normalize(rows).std(axis=0), 1, rtol=1e-5)


def test_scaled_rewards_do_not_depend_on_the_unit_of_the_reward() -> None:
    rewards = np.random.default_rng(0).normal(size=(20, 3))
    done = np.random.default_rng(1).random((20, 3)) < 0.1
    small, large = (RewardNormalizer(3, 0.9)(rewards * unit, done) for unit in (1.0, 1000.0))
    np.testing.assert_allclose(small, large, rtol=1e-5)
