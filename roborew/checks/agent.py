"""The laws of agents, tried on points that are driven to targets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import Space
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from roborew.agents.base import Agent, learns_offline
from roborew.agents.demonstrations import LearnsFromDemonstrations
from roborew.checks.laws import LawBook, Outcome
from roborew.checks.synthetic import (
    DISCRETE_POINT_SPACES,
    POINT_SPACES,
    PointEnv,
    point_demonstrations,
)
from roborew.errors import InvalidInputError

NUM_ENVS = 4
TOTAL_STEPS = 512
"""Enough for an update of agents that wait for a whole rollout of all environments."""

LAWS = LawBook("agent")
MakeAgent = Callable[[Space[Any], Space[Any], int], Agent]


@dataclass(frozen=True, slots=True)
class AgentSubject:
    """How an agent is made, from spaces and a seed."""

    make: MakeAgent

    @property
    def spaces(self) -> tuple[Space[Any], Space[Any]]:
        """Of the points that the agent can drive: those with a choice of directions where it refuses
        the others."""
        try:
            self.make(*POINT_SPACES, 0)
        except InvalidInputError as error:
            try:
                self.make(*DISCRETE_POINT_SPACES, 0)
            except InvalidInputError:
                raise error from None
            return DISCRETE_POINT_SPACES
        return POINT_SPACES

    def points(self, reward_scale: float = 1.0) -> PointEnv:
        """Points that the agent can drive."""
        return PointEnv(NUM_ENVS, reward_scale=reward_scale, discrete=self.is_discrete)

    @property
    def is_discrete(self) -> bool:
        """Whether they are driven by a choice of directions."""
        return self.spaces is DISCRETE_POINT_SPACES

    def fresh(self, seed: int = 0) -> Agent:
        """An untrained agent for points; it has seen them driven if it takes demonstrations."""
        agent = self.make(*self.spaces, seed)
        if isinstance(agent, LearnsFromDemonstrations):
            agent.use_demonstrations(point_demonstrations(4))
        return agent

    def trained(self, seed: int = 0, total_steps: int = TOTAL_STEPS) -> Agent:
        """An agent that has learned for a short while."""
        agent = self.fresh(seed)
        agent.learn(self.points(), total_steps)
        return agent


def check_agent(make: MakeAgent) -> list[Outcome]:
    """Hold an agent to the laws of agents.

    Args:
        make: ``make(single_observation_space, single_action_space, seed)`` returns a new agent,
            always with the same settings; a rollout of four environments must fit into 512 steps.

    Returns:
        How each law fared.

    Raises:
        ContractError: a law is broken; the message lists all that are.
    """
    return LAWS.require(AgentSubject(make))


@LAWS.law("actions have the space's shape and lie within it")
def actions_fit_the_space(subject: AgentSubject) -> None:
    agent = subject.fresh()
    space: Any = subject.spaces[1]
    # Sampled actions too: noise may carry one out of bounds where the mean is inside.
    for deterministic in (True, False):
        actions = agent.act(_observations(5), deterministic=deterministic)
        assert actions.shape == (5, *space.shape), (
            f"expected {(5, *space.shape)}; got {actions.shape}"
        )
        outside = [action for action in list(actions) if not space.contains(action)]
        assert not outside, f"out of bounds: {outside[0]}"


@LAWS.law("deterministic actions repeat, alone and in a batch")
def deterministic_actions_repeat(subject: AgentSubject) -> None:
    agent = subject.fresh()
    observations = _observations(5)
    first, second = agent.act(observations), agent.act(observations)
    assert np.array_equal(first, second), "the actions differ"
    alone = np.concatenate([agent.act(row[None]) for row in observations])
    # Not exactly: batches of other sizes add up in another order.
    assert np.allclose(first, alone, atol=1e-5), "an action depends on its batch"


@LAWS.law("the same seed gives the same agent, before and after learning")
def seeds_repeat(subject: AgentSubject) -> None:
    observations = _observations(5)
    for make in (subject.fresh, subject.trained):
        first, second = make(0).act(observations), make(0).act(observations)
        assert np.array_equal(first, second), f"{make.__name__} agents of one seed differ"


@LAWS.law("learning changes what it does, counts its steps and reports them")
def learning_happens(subject: AgentSubject) -> None:
    agent = subject.fresh()
    observations = _observations(5)
    before = agent.act(observations)
    reported: list[int] = []

    agent.learn(subject.points(), TOTAL_STEPS, lambda report: reported.append(report.steps))

    steps = agent.steps
    assert steps >= TOTAL_STEPS, f"expected {TOTAL_STEPS} steps; got {steps}"
    assert reported, "the callback was never called"
    assert reported[-1] == steps, f"{steps} steps, reported {reported[-1]}"
    after = agent.act(observations)
    assert not np.array_equal(before, after), "the actions did not change"


@LAWS.law("a callback that returns False ends learning")
def a_callback_can_stop_it(subject: AgentSubject) -> None:
    agent = subject.fresh()
    # So many that an agent may finish the rollout at hand and still stop early.
    agent.learn(subject.points(), 100 * TOTAL_STEPS, lambda report: False)
    assert agent.steps < 100 * TOTAL_STEPS, "it learned on"


@LAWS.law("state_dict and load_state_dict give equal actions and steps")
def saved_and_loaded_are_equal(subject: AgentSubject) -> None:
    agent = subject.trained()
    arrays, meta = agent.state_dict()
    copies = {name: np.array(array) for name, array in arrays.items()}
    # Another seed: an array that was not restored would show.
    loaded = subject.fresh(seed=1)
    loaded.load_state_dict(copies, meta)
    observations = _observations(5)
    assert loaded.steps == agent.steps, f"{loaded.steps} steps, expected {agent.steps}"
    same = np.array_equal(loaded.act(observations), agent.act(observations))
    assert same, "the actions differ"


@LAWS.law("the true reward in the infos is never learned from")
def truth_is_not_read(subject: AgentSubject) -> None:
    agent = subject.fresh()
    # NaN spreads: learning from it once would make the weights, and so the actions, NaN.
    agent.learn(_TruthIsNaN(NUM_ENVS, discrete=subject.is_discrete), TOTAL_STEPS)
    assert np.isfinite(agent.act(_observations(5))).all(), "an action is NaN or infinite"


@LAWS.law("a reward that is NaN is an error")
def nan_rewards_are_refused(subject: AgentSubject) -> str | None:
    agent = subject.fresh()
    if learns_offline(agent):
        return "it learns offline, and reads no reward"
    try:
        agent.learn(subject.points(reward_scale=np.nan), TOTAL_STEPS)
    except InvalidInputError:
        return None
    raise AssertionError("it learned from NaN without a word; expected InvalidInputError")


@LAWS.law("an environment that resets itself is refused")
def autoreset_is_refused(subject: AgentSubject) -> None:
    env = subject.points()
    env.metadata = {"autoreset_mode": AutoresetMode.NEXT_STEP}
    try:
        subject.fresh().learn(env, TOTAL_STEPS)
    except InvalidInputError:
        return
    raise AssertionError("expected InvalidInputError: it must reset the environments itself")


class _TruthIsNaN(PointEnv):
    """Points whose true reward, beside the one that is paid, is NaN."""

    def step(self, actions: Any) -> Any:
        *results, infos = super().step(actions)
        true_reward = np.full(self.num_envs, np.nan)
        return *results, {**infos, "true_reward": true_reward}


def _observations(count: int) -> NDArray[np.float32]:
    rng = np.random.default_rng(5)
    return rng.uniform(-1, 1, (count, 4)).astype(np.float32)
