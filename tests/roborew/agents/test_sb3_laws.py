"""Laws of every algorithm of Stable-Baselines3; a new row of the table is held to them by itself."""

from __future__ import annotations

import json
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import Space
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Tuple

from roborew.agents.rollout_report import RolloutReport
from roborew.agents.sb3 import ALGORITHMS, SB3Agent, agent_class
from roborew.agents.sb3.generators import current_states
from roborew.checks.synthetic import PointEnv
from roborew.config import default_options
from roborew.config.option_docs import describe_options
from roborew.errors import InvalidInputError, MissingBackendError
from roborew.registry import agents
from tests.roborew.agents.sb3_table import NUM_ENVS, make, points

TAKING_PARTS = [
    name
    for name, algorithm in ALGORITHMS.items()
    if {"MultiInputPolicy", "MultiInputLstmPolicy"} & set(algorithm.load().policy_aliases)
]
FLAT_TOO = ["sb3-ppo", "sb3-sac", *(name for name in ALGORITHMS if name not in TAKING_PARTS)]
"""Interrupted with observations in one array; the others have more to go wrong with several."""
FLAT = Box(-1, 1, (3,), np.float32)


def saved(agent: SB3Agent) -> tuple[dict[str, Any], dict[str, Any]]:
    """As a checkpoint gives it back."""
    arrays, meta = agent.state_dict()
    return {name: np.array(array) for name, array in arrays.items()}, json.loads(json.dumps(meta))


def assert_equal_states(one: SB3Agent, other: SB3Agent) -> None:
    (arrays, meta), (expected, expected_meta) = saved(one), saved(other)
    assert meta == expected_meta
    assert arrays.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(arrays[name], array, err_msg=name)


def untimed(reports: list[RolloutReport]) -> list[str]:
    return [repr((r.steps, r.episodes, r.mean_return, r.final, r.losses)) for r in reports]


def test_every_algorithm_of_the_table_is_registered() -> None:
    assert set(ALGORITHMS) == {name for name in agents if name.startswith("sb3-")}
    assert all(agents.load(name) is agent_class(name) for name in ALGORITHMS)


@pytest.mark.parametrize(
    ("name", "parts"), [*product(TAKING_PARTS, [True]), *product(FLAT_TOO, [False])]
)
def test_interrupted_equals_uninterrupted(name: str, parts: bool) -> None:
    """Stopped after 2 of 4 reports, within episodes, and gone on with in another process's place."""
    whole, env = make(name, points(name, parts=parts)), points(name, parts=parts)
    reports: list[RolloutReport] = []
    whole.learn(env, 10**9, lambda report: reports.append(report) or len(reports) < 4)

    first, first_env = make(name, points(name, parts=parts)), points(name, parts=parts)
    seen: list[RolloutReport] = []
    first.learn(first_env, 10**9, lambda report: seen.append(report) or len(seen) < 2)
    torch.rand(3)  # the process is at another point of its own generators
    second = make(name, points(name, parts=parts), seed=3)
    second_env = points(name, parts=parts)
    second_env.set_state(first_env.get_state())
    second.load_state_dict(*saved(first))
    assert_equal_states(second, first)
    second.learn(second_env, 10**9, lambda report: seen.append(report) or len(seen) < 4)

    assert_equal_states(second, whole)
    assert untimed(seen) == untimed(reports)
    assert "learning_rate" in reports[-1].losses
    actions = second.act(second_env.reset(seed=1)[0])
    assert all(env.single_action_space.contains(action) for action in actions)
    remembered = [a for key, a in second.state_dict()[0].items() if key.startswith("replay/")]
    num_bytes = sum(array.nbytes for array in remembered)
    assert num_bytes <= second.replay_bytes(NUM_ENVS, second.steps) + 16 <= 2 * num_bytes + 16


@pytest.mark.parametrize("name", ALGORITHMS)
def test_nothing_is_drawn_from_the_generators_of_others(name: str) -> None:
    env = points(name)
    before = current_states()
    agent = make(name, env)
    agent.learn(env, 64, lambda report: False)
    agent.act(env.reset()[0], deterministic=False)
    for kind, state in current_states().items():
        np.testing.assert_array_equal(state, before[kind], err_msg=kind)


@pytest.mark.parametrize("name", sorted(set(ALGORITHMS) - set(TAKING_PARTS)))
def test_observations_of_several_parts_are_one_error_where_they_are_not_taken(name: str) -> None:
    with pytest.raises(InvalidInputError, match="expected one array, got Dict"):
        make(name, points(name, parts=True))


@pytest.mark.parametrize(
    "space", [FLAT, Discrete(3), MultiDiscrete([2, 3]), MultiBinary(2), Tuple([FLAT])], ids=str
)
@pytest.mark.parametrize("name", ALGORITHMS)
def test_actions_are_taken_or_refused_with_those_who_take_them(
    name: str, space: Space[Any]
) -> None:
    algorithm = ALGORITHMS[name]
    if isinstance(space, algorithm.actions):
        agent = agent_class(name)(FLAT, space)
        actions = agent.act(np.zeros((2, 3), np.float32))
        assert all(space.contains(action) for action in actions)
        return
    remedy = "no algorithm" if isinstance(space, Tuple) else "take the agent sb3-ppo or sb3-a2c"
    with pytest.raises(InvalidInputError, match=f"{name} expected .*got .*{remedy}"):
        agent_class(name)(FLAT, space)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_other_spaces_that_no_algorithm_takes_are_one_error(name: str) -> None:
    actions: Any = Discrete(2) if Box not in ALGORITHMS[name].actions else FLAT
    nested = Dict({"a": Dict({"b": FLAT})})
    with pytest.raises(InvalidInputError, match="FlattenObservation"):
        agent_class(name)(nested, actions)
    if Box in ALGORITHMS[name].actions:
        unbounded = Box(-np.inf, np.inf, (2,))
        with pytest.raises(InvalidInputError, match="expected finite bounds"):
            agent_class(name)(FLAT, unbounded)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_setting_is_described_and_whole_numbers_are_checked(name: str) -> None:
    kind = agent_class(name)
    assert default_options(kind).keys() == describe_options(kind).keys()
    assert all(describe_options(kind).values())
    for key in ("n_steps", "report_every", "n_delta"):
        if hasattr(kind.Config, key):
            with pytest.raises(InvalidInputError, match=f"{key}: expected a whole number from 1"):
                kind.Config(**{key: 0})
    with pytest.raises(InvalidInputError, match="learning_rate: expected a positive number"):
        kind.Config(learning_rate=0.0)


@pytest.mark.parametrize("name", ["sb3-ppo", "sb3-td3"])
def test_schedules_are_over_the_whole_run(name: str) -> None:
    env = points(name)
    agent = make(name, env, learning_rate=1.0, learning_rate_schedule="linear")
    rates: list[float] = []
    agent.learn(env, 320, lambda report: rates.append(report.losses.get("learning_rate", np.nan)))
    np.testing.assert_allclose(rates[-4:], [0.3, 0.2, 0.1, 0.0], atol=1e-9)


def test_exploration_of_dqn_falls_over_the_whole_run() -> None:
    env = points("sb3-dqn")
    agent = make("sb3-dqn", env, exploration_fraction=1.0, exploration_final_eps=0.0)
    rates: list[float] = []
    agent.learn(env, 320, lambda report: rates.append(report.losses["exploration_rate"]))
    np.testing.assert_allclose(rates, np.linspace(0.9, 0, 10), atol=1e-9)


def test_a_recurrent_policy_remembers_until_an_episode_begins() -> None:
    env = points("sb3-recurrentppo")
    agent = make("sb3-recurrentppo", env)
    agent.learn(env, 64)
    policy = agent.policy(2)
    observations = np.ones((2, 4), np.float32)
    first, second = policy(observations), policy(observations)
    assert not np.array_equal(first, second)
    policy.begin(np.array([False, True]))
    third = policy(observations)
    np.testing.assert_array_equal(third[1], first[1])
    assert not np.array_equal(third[0], first[0])


def test_without_its_package_an_algorithm_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "sb3_contrib", None)
    with pytest.raises(MissingBackendError, match=r"pip install 'roborew\[contrib\]'"):
        ALGORITHMS["sb3-tqc"].load()


def test_a_state_of_another_number_of_environments_goes_on_in_new_episodes_alone() -> None:
    env = points("sb3-sac")
    agent = make("sb3-sac", env)
    agent.learn(env, 64)
    other = make("sb3-sac", env)
    other.load_state_dict(*saved(agent))
    with pytest.raises(InvalidInputError, match="has 4 environments, this one 2"):
        other.learn(points("sb3-sac", 2), 96)
    arrays, meta = saved(agent)
    learned = {name: array for name, array in arrays.items() if not name.startswith("episodes/")}
    other.load_state_dict(learned, meta)
    other.learn(PointEnv(2), 96)
    assert other.steps == 96


def test_no_return_reaches_from_an_episode_into_one_of_another_environment() -> None:
    name = "sb3-sac"
    agent = make(name, points(name), n_steps=3)
    for end in (32, 64):
        agent.learn(points(name), end)
    buffer = agent._model.replay_buffer
    ends = np.flatnonzero(buffer.timeouts[: buffer.pos].all(axis=1))
    assert ends.tolist() == [7]  # 8 of 10 steps, then another environment
    assert buffer.dones[7].all() and buffer.pos == 16
