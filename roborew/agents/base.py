"""What the training loop asks of an agent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray

from roborew.agents.rollout_report import RolloutReport


class EpisodicPolicy(Protocol):
    """A policy that remembers something of the running episodes."""

    def begin(self, begun: NDArray[np.bool_]) -> None:
        """Forget the episodes before, where ``begun``, shape (N,); called after every reset."""
        ...

    def __call__(self, observations: NDArray[Any]) -> NDArray[np.float32]:
        """Return actions, shape (N, A), for observations (N, D)."""
        ...


@runtime_checkable
class EpisodicAgent(Protocol):
    """An agent that is evaluated by a policy with a memory, in place of `Agent.act`."""

    def policy(self, num_envs: int) -> EpisodicPolicy:
        """Return a deterministic policy for ``num_envs`` episodes that run side by side."""
        ...


@runtime_checkable
class Agent(Protocol):
    """Learns in a vector environment and sees nothing else: no reward model, no truth.

    Its class is registered in `roborew.registry.agents` and made as
    ``Agent(single_observation_space, single_action_space, config=None, seed=0)``; ``config`` is a
    frozen dataclass of its settings. `roborew.checks.check_agent` holds it to its laws.
    """

    config: Any

    @property
    def steps(self) -> int:
        """Environment steps so far, over all simulations."""
        ...

    def act(self, observations: NDArray[Any], deterministic: bool = True) -> NDArray[np.float32]:
        """Return actions, shape (n, A), for observations of shape (n, D)."""
        ...

    def learn(
        self,
        env: VectorEnv[Any, Any, Any],
        total_steps: int,
        callback: Callable[[RolloutReport], bool | None] | None = None,
    ) -> None:
        """Learn until `steps` reaches ``total_steps`` or ``callback`` returns False."""
        ...

    def state_dict(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Return everything learned, as arrays and a JSON-able dictionary."""
        ...

    def load_state_dict(self, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        ...


def learns_offline(agent: object) -> bool:
    """Whether an agent learns from demonstrations alone, and never steps an environment: its class
    says so by ``offline = True``."""
    return getattr(agent, "offline", False)
