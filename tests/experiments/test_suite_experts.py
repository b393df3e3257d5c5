"""The scripted experts of other suites, in worlds of a few lines."""

from __future__ import annotations

import numpy as np

from experiments.suites.experts import GOAL, HAND, LINK, fetch_push, fetch_reach, reacher

SEED = 5


def test_a_reacher_brings_its_tip_to_any_target_within_reach() -> None:
    rng = np.random.default_rng(SEED)
    angles = rng.uniform(-2, 2, (20, 2))
    goals = rng.uniform(-2, 2, (20, 2))
    target = tips(goals)
    for _ in range(200):
        still = np.zeros_like(angles)
        observations = np.concatenate([angles, target - tips(angles), still], axis=1)
        angles = angles + 0.1 * reacher(observations)
    np.testing.assert_allclose(tips(angles), target, atol=1e-3)


def tips(angles: np.ndarray) -> np.ndarray:
    shoulder, wrist = angles[:, 0], angles.sum(axis=1)
    x = np.cos(shoulder) + np.cos(wrist)
    y = np.sin(shoulder) + np.sin(wrist)
    return LINK * np.stack([x, y], axis=1)


def test_a_hand_reaches_its_goal_and_a_block_that_is_there_is_left_alone() -> None:
    observations = np.zeros((1, 31))
    observations[:, GOAL] = (0.1, -0.1, 0.05)
    for _ in range(20):
        action = fetch_reach(observations)
        observations[:, HAND] += 0.05 * action[:, :3]
    np.testing.assert_allclose(observations[:, HAND], observations[:, GOAL], atol=1e-3)
    observations[:, 9:12] = observations[:, GOAL]
    np.testing.assert_array_equal(fetch_push(observations), np.zeros((1, 4)))
