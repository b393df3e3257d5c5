"""What Stable-Baselines3 learns from is what was paid; its logs tell the truth beside it."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict
from stable_baselines3 import PPO, SAC
from stable_baselines3.common.logger import KVWriter, Logger
from stable_baselines3.her.her_replay_buffer import HerReplayBuffer

from roborew.agents.sb3 import ALGORITHMS, SB3Agent, TrueReturn, as_sb3
from roborew.checks.synthetic import PointEnv
from roborew.errors import InvalidInputError
from roborew.wrappers import LearnedReward, SingleLearnedReward
from tests.roborew.agents.sb3_table import NUM_ENVS, PartsEnv, make, points
from tests.roborew.wrappers.clock_environment import ClockModel, clock_frame

STEPS = 8


class Recorded(Logger):
    """Keeps what was logged last under each name."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        super().__init__(None, [Keeping(self.values)])


class Keeping(KVWriter):
    def __init__(self, values: dict[str, Any]) -> None:
        self._values = values

    def write(self, key_values: Any, key_excluded: Any, step: int = 0) -> None:
        self._values |= dict(key_values)

    def close(self) -> None:
        pass


class Truth(PointEnv):
    """Points that are worth twice what they are paid."""

    def step(self, actions: Any) -> Any:
        observations, rewards, *ends, infos = super().step(actions)
        return observations, rewards, *ends, {**infos, "true_reward": 2 * rewards}


def payments(agent: SB3Agent, env: PointEnv) -> tuple[np.ndarray, np.ndarray]:
    """Rewards and ends of the steps of one report, each of shape (T, N)."""
    rewards: list[Any] = []
    ends: list[Any] = []
    step = env.step

    def watch(actions: Any) -> Any:
        result = step(actions)
        rewards.append(result[1].copy())
        ends.append(result[2] | result[3])
        return result

    env.step = watch  # type: ignore[method-assign]
    agent.learn(env, 10**9, lambda report: False)
    return np.stack(rewards), np.stack(ends)


@pytest.mark.parametrize("name", sorted(set(ALGORITHMS) - {"sb3-ars"}))
def test_what_is_learned_from_is_what_was_paid(name: str) -> None:
    """Advantages are computed from a buffer in which every reward stands; the last one of an episode
    that a time limit cut off has the value of what follows added to it. Random search has no
    buffer."""
    env = points(name)
    agent = make(name, env, seed=1)
    filled: list[Any] = []
    build = agent._build

    def build_and_watch(num_envs: int) -> Any:
        model = build(num_envs)
        if hasattr(model, "rollout_buffer"):
            compute = model.rollout_buffer.compute_returns_and_advantage

            def note(**arguments: Any) -> None:
                filled.append(model.rollout_buffer.rewards.copy())
                compute(**arguments)

            model.rollout_buffer.compute_returns_and_advantage = note
        return model

    agent._build = build_and_watch  # type: ignore[method-assign]
    rewards, ends = payments(agent, env)
    model = agent._model
    if getattr(model, "replay_buffer", None) is not None:
        np.testing.assert_array_equal(
            model.replay_buffer.rewards[: len(rewards)], np.float32(rewards)
        )
        return
    (used,) = filled
    assert used.shape == rewards.shape == (STEPS, NUM_ENVS)
    np.testing.assert_array_equal(used[~ends], np.float32(rewards)[~ends])


def test_random_search_adds_up_what_was_paid() -> None:
    env = points("sb3-ars")
    agent = make("sb3-ars", env)
    rewards, ends = payments(agent, env)
    last = np.flatnonzero(ends.all(axis=1))[-1]
    episodes = rewards[last - 9 : last + 1].sum(axis=0)
    returns = [info["r"] for info in agent._model.ep_info_buffer[-NUM_ENVS:]]
    np.testing.assert_allclose(sorted(returns), sorted(episodes), rtol=1e-5, atol=1e-6)


def test_the_log_tells_learned_return_success_and_true_return() -> None:
    env = Truth(NUM_ENVS, horizon=10)
    model = PPO("MlpPolicy", as_sb3(env), n_steps=20, batch_size=40, n_epochs=1, seed=0)
    log = Recorded()
    model.set_logger(log)
    model.learn(20 * NUM_ENVS, TrueReturn())
    values = log.values
    assert values["rollout/ep_len_mean"] == 10
    assert values["true/ep_rew_mean"] == pytest.approx(2 * values["rollout/ep_rew_mean"])
    assert 0 <= values["rollout/success_rate"] <= 1


class Goal(gymnasium.Env[Any, Any]):
    """A clock with goals, as hindsight wants them; its own reward is the truth."""

    def __init__(self) -> None:
        self.render_mode = "rgb_array"
        self.metadata = {"render_modes": ["rgb_array"], "render_fps": 10}
        number = Box(0, 10, (1,), np.float32)
        keys = ("observation", "achieved_goal", "desired_goal")
        self.observation_space = Dict(dict.fromkeys(keys, number))
        self.action_space = Box(-1, 1, (1,), np.float32)
        self._step = 0

    def compute_reward(self, achieved: Any, desired: Any, info: Any) -> Any:
        raise AssertionError("the truth was asked for")

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        self._step = 0
        return self._observe(), {"success": False}

    def step(self, action: Any) -> Any:
        self._step += 1
        return self._observe(), 0.0, False, self._step == 5, {"success": self._step == 5}

    def render(self) -> Any:
        return clock_frame(self._step, 0)

    def _observe(self) -> dict[str, Any]:
        number = np.array([self._step], np.float32)
        return {key: number.copy() for key in self.observation_space}


def learned() -> SingleLearnedReward:
    return SingleLearnedReward(Goal(), ClockModel(), "read the clock", success_detector=None)


def test_hindsight_with_a_learned_reward_is_refused_with_the_reason() -> None:
    model = SAC(
        "MultiInputPolicy",
        learned(),
        replay_buffer_class=HerReplayBuffer,
        learning_starts=10,
        batch_size=4,
        policy_kwargs={"net_arch": [4]},
    )
    with pytest.raises(InvalidInputError, match=r"hindsight.*simulator's truth.*Use another"):
        model.learn(20)


def test_hindsight_behind_the_bridge_is_refused_with_the_reason() -> None:
    bridge = as_sb3(PartsEnv(2))
    with pytest.raises(InvalidInputError, match=r"hindsight.*simulator's truth"):
        bridge.env_method("compute_reward", 1, 2, 3)


def test_a_single_environment_says_its_success_as_stable_baselines_reads_it() -> None:
    model = PPO("MultiInputPolicy", learned(), n_steps=10, batch_size=10, n_epochs=1)
    log = Recorded()
    model.set_logger(log)
    model.learn(10, TrueReturn())
    assert log.values["rollout/success_rate"] == 1.0
    assert log.values["true/ep_rew_mean"] == 0.0
    assert log.values["rollout/ep_rew_mean"] > 0


def test_a_filler_that_gymnasium_masks_is_in_no_info() -> None:
    class Masked(PointEnv):
        def step(self, actions: Any) -> Any:
            *rest, infos = super().step(actions)
            return *rest, {**infos, "_success": np.array([True, False])}

    bridge = as_sb3(Masked(2, horizon=1))
    bridge.reset()
    first, second = bridge.step(np.zeros((2, 2)))[3]
    assert "is_success" in first and "is_success" not in second and "success" not in second


def test_learned_rewards_are_in_the_buffer_with_episodes_scored_whole() -> None:
    """A model that is not causal pays at the last step; also then before any advantage."""
    from tests.roborew.agents.test_agents_on_learned_rewards import HORIZONS
    from tests.roborew.wrappers.clock_environment import NativeClocks

    env = LearnedReward(
        NativeClocks(HORIZONS),
        ClockModel(),
        "read the clock",
        success_detector=None,
        scoring="episode",
    )
    bridge = as_sb3(env)
    model = PPO("MlpPolicy", bridge, n_steps=7, batch_size=14, n_epochs=1, gamma=0.0, seed=0)
    model.learn(14)
    rewards = model.rollout_buffer.rewards
    assert np.flatnonzero(rewards[:, 0]).tolist() == [4]
    assert np.flatnonzero(rewards[:, 1]).tolist() == [6]
