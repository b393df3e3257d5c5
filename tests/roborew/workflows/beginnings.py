"""How PPO stands each time that it begins to learn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from roborew.agents.ppo import PPO
from roborew.agents.torch_state import Arrays
from roborew.storage.checkpoints import select_prefix


@dataclass(frozen=True)
class Beginning:
    """An agent that is about to learn."""

    steps: int
    weights: Arrays

    @classmethod
    def of(cls, agent: PPO) -> Beginning:
        """How an agent stands."""
        return cls(agent.steps, select_prefix(agent.state_dict()[0], "network/"))

    def is_like(self, other: Beginning) -> bool:
        """Whether the weights are the same, whatever the steps."""
        pairs = ((array, other.weights[name]) for name, array in self.weights.items())
        return all(np.array_equal(one, another) for one, another in pairs)
