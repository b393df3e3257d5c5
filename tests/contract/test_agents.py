"""Every registered agent keeps the laws of agents. A new one is found by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from roborew.agents.base import Agent
from roborew.agents.bc import BCConfig
from roborew.agents.offline.iql import IQLConfig
from roborew.agents.ppo_config import PPOConfig
from roborew.agents.residual import ResidualConfig
from roborew.agents.sac.agent import SACConfig
from roborew.agents.sb3 import ALGORITHMS, agent_class
from roborew.agents.self_imitation.config import SelfImitationConfig
from roborew.checks.agent import LAWS, AgentSubject
from roborew.checks.laws import Law
from roborew.registry import agents

INAPPLICABLE = {(name, "nan_rewards_are_refused") for name in ("bc", "iql")}
"""Agent and law that says nothing of it: nothing is paid while it learns."""
SMALL: dict[str, Any] = {
    "ppo": PPOConfig(n_steps=16, n_epochs=2, batch_size=32),
    "sac": SACConfig(hidden_dim=16, batch_size=16, gradient_steps=1, report_every=8),
    "bc": BCConfig(hidden_dim=32),
    "iql": IQLConfig(hidden_dim=16, batch_size=32),
    "residual": ResidualConfig(n_steps=16, n_epochs=2, batch_size=32, clone_steps=20),
    "self-imitation": SelfImitationConfig(
        clone_steps=20, refine_steps=20, round_steps=128, hidden_dim=32, report_every=8
    ),
}
SB3_SMALL: dict[str, Any] = {
    "hidden_dim": 8,
    "lstm_hidden_size": 8,
    "n_steps": 128,
    "n_epochs": 1,
    "batch_size": 128,
    "n_critic_updates": 1,
    "buffer_size": 1_000,
    "train_freq": 128,
    "gradient_steps": 1,
    "learning_starts": 16,
    "n_delta": 2,
    "n_eval_episodes": 4,
}
"""Settings of Stable-Baselines3, each of those algorithms that have it."""


def small_sb3(name: str) -> Any:
    kind = agent_class(name).Config
    settings = {key: value for key, value in SB3_SMALL.items() if hasattr(kind, key)}
    if "buffer_size" in settings:
        # Of a rollout; where there is a replay, it is over how many rewards a return adds up.
        del settings["n_steps"]
    return kind(**settings)


def maker(name: str) -> Callable[..., Agent]:
    kind = agents.load(name)
    config = small_sb3(name) if name in ALGORITHMS else SMALL[name]
    return lambda observations, actions, seed: kind(observations, actions, config, seed)


@pytest.mark.parametrize("law", LAWS.laws, ids=str)
@pytest.mark.parametrize("name", sorted(agents))
def test_every_agent_keeps_the_law(law: Law, name: str) -> None:
    reason = law.check(AgentSubject(maker(name)))
    assert (reason is not None) == ((name, str(law)) in INAPPLICABLE), reason
