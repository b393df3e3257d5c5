"""Episodes of several environments, cut out of the steps that these make side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from roborew.agents.demonstrations import DemonstrationEpisode
from roborew.agents.torch_state import Arrays

OWN = "its own"
"""Name of the agent's own episodes, for messages."""


class EpisodeRecorder:
    """Keeps the steps of the running episodes of N environments.

    Args:
        observation_dim: numbers of an observation, D.
        action_dim: numbers of an action, A.
        num_envs: N.
    """

    def __init__(self, observation_dim: int, action_dim: int, num_envs: int) -> None:
        # Of each step: what was observed, done and paid, one row an environment.
        self._steps: list[NDArray[np.float32]] = []
        self._widths = (observation_dim, action_dim, 1)
        # Place of the first step of each running episode.
        self._first = np.zeros(num_envs, dtype=np.int64)

    def add(
        self,
        observations: NDArray[np.floating],
        actions: NDArray[np.float32],
        rewards: NDArray[np.floating],
        final: NDArray[np.floating],
        done: NDArray[np.bool_],
    ) -> list[DemonstrationEpisode]:
        """Take a step of every environment; the episodes that it ends.

        Args:
            observations: shape (N, D), before it.
            actions: shape (N, A), in the units of the action space.
            rewards: shape (N,).
            final: shape (N, D), observations after it, of no episode that begins then.
            done: shape (N,), whether it ends the episode.
        """
        columns = [observations, actions, rewards[:, None]]
        self._steps.append(np.concatenate(columns, axis=1, dtype=np.float32))
        ended = [self._cut(env, final[env]) for env in np.flatnonzero(done).tolist()]
        self._first[done] = len(self._steps)
        self._forget()
        return ended

    def state_dict(self) -> Arrays:
        """Return the steps of the running episodes."""
        steps = np.array(self._steps, np.float32).reshape(-1, len(self._first), sum(self._widths))
        return {"steps": steps, "first": self._first.copy()}

    def load_state_dict(self, arrays: Mapping[str, NDArray[np.generic]]) -> None:
        """Take over what `state_dict` returned."""
        self._steps = list(np.asarray(arrays["steps"], np.float32))
        self._first = np.array(arrays["first"], np.int64)

    def _cut(self, env: int, last: NDArray[np.floating]) -> DemonstrationEpisode:
        rows = np.array([step[env] for step in self._steps[self._first[env] :]])
        observed, acted, _ = np.cumsum(self._widths)
        return DemonstrationEpisode(
            name=OWN,
            observations=np.concatenate([rows[:, :observed], last[None]], dtype=np.float32),
            actions=rows[:, observed:acted],
            rewards=rows[:, acted],
        )

    def _forget(self) -> None:
        """Drop the steps of which no running episode has one."""
        oldest = int(self._first.min())
        del self._steps[:oldest]
        self._first -= oldest


def pack_episodes(episodes: Sequence[DemonstrationEpisode]) -> Arrays:
    """Return paid episodes as arrays, for a checkpoint."""
    if not episodes:
        return {}
    return {
        "lengths": np.array([len(one.actions) for one in episodes]),
        "observations": np.concatenate([np.asarray(one.observations) for one in episodes]),
        "actions": np.concatenate([one.actions for one in episodes]),
        "rewards": np.concatenate([np.asarray(one.rewards) for one in episodes]),
    }


def unpack_episodes(arrays: Mapping[str, NDArray[np.float32]]) -> list[DemonstrationEpisode]:
    """Return the episodes that `pack_episodes` made arrays of."""
    if not arrays:
        return []
    ends = np.cumsum(arrays["lengths"]).astype(int)
    # Of T actions there are T + 1 observations.
    observations = np.split(arrays["observations"], ends + np.arange(1, len(ends) + 1))
    actions, rewards = (np.split(arrays[name], ends) for name in ("actions", "rewards"))
    return [
        DemonstrationEpisode(
            name=OWN, observations=observations[i], actions=actions[i], rewards=rewards[i]
        )
        for i in range(len(ends))
    ]
