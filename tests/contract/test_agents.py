"""Every registered agent keeps the laws of agents. A new one is found by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from roborew.agents.base import Agent
from roborew.agents.ppo_config import PPOConfig
from roborew.agents.sb3 import SB3PPOConfig, SB3SACConfig
from roborew.checks.agent import LAWS, AgentSubject
from roborew.checks.laws import Law
from roborew.registry import agents

SMALL: dict[str, Any] = {
    "ppo": PPOConfig(n_steps=16, n_epochs=2, batch_size=32),
    "sb3-ppo": SB3PPOConfig(),
    "sb3-sac": SB3SACConfig(),
}


def maker(name: str) -> Callable[..., Agent]:
    kind, config = agents.load(name), SMALL[name]
    return lambda observations, actions, seed: kind(observations, actions, config, seed)


@pytest.fixture(params=sorted(agents))
def subject(request: pytest.FixtureRequest) -> AgentSubject:
    return AgentSubject(maker(request.param))


@pytest.mark.parametrize("law", LAWS.laws, ids=str)
def test_every_agent_keeps_the_law(law: Law, subject: AgentSubject) -> None:
    reason = law.check(subject)
    assert reason is None, reason
