"""What agents saw and did in the episodes of a vector environment."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.vector import VectorEnv, VectorWrapper
from numpy.typing import NDArray


class StepLog(VectorWrapper[Any, Any, Any, Any, Any]):
    """Passes everything on, and keeps what is seen and done from the first reset on.

    Args:
        env: a vector environment of flat observations.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any]) -> None:
        super().__init__(env)
        self._observations: list[NDArray[Any]] = []
        self._actions: list[NDArray[Any]] = []

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> Any:
        """Reset; the first time what is seen is kept."""
        observations, infos = self.env.reset(seed=seed, options=options)
        if not self._observations:
            self._observations.append(np.array(observations))
        return observations, infos

    def step(self, actions: Any) -> Any:
        """Step, and keep what was done and what was seen after it."""
        result = self.env.step(actions)
        self._actions.append(np.array(actions))
        self._observations.append(np.array(result[0]))
        return result

    def first_episode(self, row: int, length: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return observations, shape (length + 1, D), and actions, shape (length, A), of the first
        episode of environment ``row``, which took ``length`` steps."""
        observations = [step[row] for step in self._observations[: length + 1]]
        actions = [step[row] for step in self._actions[:length]]
        return np.stack(observations), np.stack(actions)
