"""The baseline reward: truth through the same shaping."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray

from roborew.errors import InvalidInputError
from roborew.wrappers import (
    EnvironmentReward,
    LearnedReward,
    OracleReward,
    SuccessBonusReward,
)
from tests.roborew.wrappers.clock_environment import ClockModel, NativeClocks, clocks


def roll(env: OracleReward | LearnedReward, steps: int) -> tuple[NDArray[Any], NDArray[Any]]:
    env.reset()
    rewards, ends = [], []
    for _ in range(steps):
        _, reward, terminated, truncated, _ = env.step(np.zeros((env.num_envs, 1)))
        rewards.append(reward[0])
        ends.append(terminated[0])
        if (terminated | truncated).any():
            env.reset(options={"reset_mask": terminated | truncated})
    return np.array(rewards), np.array(ends)


@pytest.mark.parametrize("every", [1, 2, 3])
def test_the_dense_return_is_scale_times_progress_plus_the_bonus_of_success(every: int) -> None:
    rewards, ends = roll(
        OracleReward(clocks([6]), "dense", scale=5.0, bonus=4.0, score_every=every), 12
    )
    np.testing.assert_allclose(rewards.reshape(2, 6).sum(axis=1), 9.0, rtol=1e-6)
    assert ends.reshape(2, 6)[:, -1].all() and ends.sum() == 2


@pytest.mark.parametrize("every", [1, 2, 3])
def test_progress_that_is_held_is_paid_beside_the_gain(every: int) -> None:
    """The clock's progress rises by a sixth a step, and each step is paid as the next scored one."""
    env = OracleReward(
        clocks([6]), scale=5.0, raw_coef=0.5, ends_at_success=False, score_every=every
    )
    rewards, ends = roll(env, 12)
    scored = [every * -(-step // every) / 6 for step in range(1, 7)]
    np.testing.assert_allclose(
        rewards.reshape(2, 6).sum(axis=1), 5.0 + 0.5 * sum(scored), rtol=1e-6
    )
    assert not ends.any()


@pytest.mark.parametrize("every", [1, 2, 3])
def test_each_step_in_which_the_goal_holds_is_paid(every: int) -> None:
    """The goal of a clock of six steps holds in the last of each episode."""
    settings: dict[str, Any] = {"ends_at_success": False, "score_every": every}
    without, _ = roll(OracleReward(clocks([6]), **settings), 12)
    paid, _ = roll(OracleReward(clocks([6]), success_coef=0.5, **settings), 12)
    expected = np.zeros((2, 6))
    expected[:, -1] = 0.5
    np.testing.assert_allclose(paid - without, expected.ravel(), atol=1e-9)


@pytest.mark.parametrize("coef", [-0.1, np.inf, np.nan])
def test_a_pay_of_success_that_is_none_is_refused(coef: float) -> None:
    with pytest.raises(InvalidInputError, match="success_coef of at least 0"):
        OracleReward(clocks([4]), success_coef=coef)


@pytest.mark.parametrize(
    "settings", [{"raw_coef": 0.1}, {"success_coef": 0.1}, {"ends_at_success": False}]
)
def test_the_sparse_reward_takes_no_setting_that_it_would_ignore(settings: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError, match="choose the dense one"):
        OracleReward(clocks([4]), "sparse", **settings)


def test_the_sparse_reward_is_the_bonus_of_success_alone() -> None:
    rewards, ends = roll(OracleReward(clocks([3]), "sparse", bonus=4.0, score_every=1), 6)
    np.testing.assert_array_equal(rewards, [0, 0, 4, 0, 0, 4])
    np.testing.assert_array_equal(ends, rewards == 4)


def test_infos_hold_the_keys_of_the_learned_reward() -> None:
    env = OracleReward(clocks([4, 8]), score_every=1)
    env.reset()
    infos = env.step(np.zeros((2, 1)))[4]
    np.testing.assert_allclose(infos["score"], [1 / 4, 1 / 8])
    assert infos["score_valid"].all() and not infos["terminated_by_success_detector"].any()


def test_saved_and_restored_equals_never_interrupted() -> None:
    def make() -> OracleReward:
        return OracleReward(NativeClocks([7]), score_every=2)

    def steps(env: OracleReward) -> list[float]:
        return [float(env.step(np.zeros((1, 1)))[1][0]) for _ in range(4)]

    whole = make()
    whole.reset(options={"reset_mask": np.array([True])})
    whole.step(np.zeros((1, 1)))
    fresh = make()
    fresh.set_state(whole.get_state())
    assert steps(fresh) == steps(whole)


class Silent(NativeClocks):
    def reset(self, **kwargs: Any) -> Any:
        return super().reset(**kwargs)[0], {"progress": np.zeros(1)}


@pytest.mark.parametrize(
    ("env", "message"),
    [
        (Silent([4]), "'progress' and 'success'"),
        (clocks([4], AutoresetMode.SAME_STEP), "SAME_STEP"),
    ],
)
def test_an_environment_without_truth_or_final_states_is_refused(
    env: VectorEnv[Any, Any, Any], message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        OracleReward(env).reset()


def test_another_kind_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="'dense' or 'sparse'"):
        OracleReward(clocks([4]), "shiny")  # pyright: ignore[reportArgumentType]


class Paying(NativeClocks):
    """Pays its step number, and says success alone."""

    def reset(self, **kwargs: Any) -> Any:
        observations, infos = super().reset(**kwargs)
        return observations, {"success": infos["success"]}

    def step(self, actions: Any) -> Any:
        observations, rewards, terminated, truncated, infos = super().step(actions)
        paid = np.arange(1.0, len(rewards) + 1)
        return observations, paid, terminated, truncated, {"success": infos["success"]}


def test_success_alone_is_enough_for_the_sparse_reward() -> None:
    rewards, ends = roll(OracleReward(Paying([3]), "sparse", bonus=4.0, score_every=1), 6)
    np.testing.assert_array_equal(rewards, [0, 0, 4, 0, 0, 4])
    np.testing.assert_array_equal(ends, rewards == 4)
    with pytest.raises(InvalidInputError, match="'progress'"):
        OracleReward(Paying([3])).reset()


def test_the_environments_own_reward_is_paid_as_it_is_and_ends_nothing() -> None:
    env = EnvironmentReward(Paying([3, 3]), scale=2.0)
    env.reset()
    for _ in range(3):
        _, rewards, terminated, truncated, infos = env.step(np.zeros((2, 1)))
        np.testing.assert_array_equal(rewards, [2, 4])
        np.testing.assert_array_equal(infos["true_reward"], [1, 2])
        assert not terminated.any() and np.isnan(infos["score"]).all()
    assert truncated.all()
    with pytest.raises(InvalidInputError, match="above 0"):
        EnvironmentReward(Paying([3]), scale=0.0)


def test_the_bonus_of_true_success_is_paid_beside_a_learned_reward() -> None:
    settings: dict[str, Any] = {"score_every": 1, "success_detector": None}
    plain = LearnedReward(Paying([3]), ClockModel(), "go on", **settings)
    paid = SuccessBonusReward(Paying([3]), ClockModel(), "go on", success_bonus=7.0, **settings)
    without, _ = roll(plain, 6)
    with_bonus, _ = roll(paid, 6)
    np.testing.assert_allclose(with_bonus - without, [0, 0, 7, 0, 0, 7])
    with pytest.raises(InvalidInputError, match="rollout"):
        SuccessBonusReward(Paying([3]), ClockModel(), "go on", success_bonus=7, scoring="rollout")
