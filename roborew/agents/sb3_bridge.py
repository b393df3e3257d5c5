"""The bridge to Stable-Baselines3 (Raffin et al., JMLR 22(268), 2021).

Stable-Baselines3 resets environments itself, within the step that ends an episode. Here the bridge
does so, after the last reward was paid for the final state and with the final observation in
``infos[i]["terminal_observation"]``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
from gymnasium.spaces import Box, Discrete, MultiBinary, MultiDiscrete
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv

from roborew.agents.env_checks import (
    check_finite,
    require_disabled_autoreset,
    reset_where,
    rewards_are_deferred,
)
from roborew.agents.rollout_report import EpisodeStatistics
from roborew.errors import InvalidInputError
from roborew.stopwatch import Stopwatch


def as_sb3(env: VectorEnv[Any, Any, Any]) -> SB3Bridge:
    """Return a vector environment in the form of Stable-Baselines3.

    Args:
        env: observations in a Box, ``autoreset_mode=AutoresetMode.DISABLED``, each reward paid at
            its step.

    Raises:
        InvalidInputError: another autoreset mode, observations of several parts, or rewards that
            are deferred.
    """
    require_disabled_autoreset(env)
    space = cast(Any, env).single_observation_space
    if not isinstance(space, (Box, Discrete, MultiBinary, MultiDiscrete)):
        raise InvalidInputError(
            f"observation space: expected one array, got {space}; flatten it with "
            "gymnasium.wrappers.vector.FlattenObservation."
        )
    if rewards_are_deferred(env):
        raise InvalidInputError(
            "sb3: rewards must be paid at each step; make the wrapper with scoring='step'."
        )
    return SB3Bridge(env)


class SB3Bridge(VecEnv):
    """A Gymnasium vector environment for Stable-Baselines3; make it with `as_sb3`.

    Attributes:
        episodes: what happened in the episodes so far.
        watch: time spent in the environment, under "environment".
    """

    def __init__(self, env: VectorEnv[Any, Any, Any]) -> None:
        self._env = env
        self._actions: NDArray[Any] = np.empty(0)
        self.episodes = EpisodeStatistics(env.num_envs)
        self.watch = Stopwatch()
        spaces = cast(Any, env)  # Gymnasium leaves the parameter of these spaces open
        cast(Any, super()).__init__(
            env.num_envs, spaces.single_observation_space, spaces.single_action_space
        )

    def reset(self) -> NDArray[Any]:
        """Reset all environments, with the seeds that `seed` left; return observations (N, ...)."""
        seeds = None if None in self._seeds else cast(Any, self._seeds)
        observations, infos = self._env.reset(seed=seeds)
        self._reset_seeds()
        self._reset_options()
        self.reset_infos = _per_environment(infos, self.num_envs)
        self.episodes = EpisodeStatistics(self.num_envs)
        return check_finite(observations, "observation")

    def step_async(self, actions: NDArray[Any]) -> None:
        """Remember the actions (N, A)."""
        self._actions = actions

    def step_wait(
        self,
    ) -> tuple[NDArray[Any], NDArray[np.float32], NDArray[np.bool_], list[dict[str, Any]]]:
        """Step, then reset what is done; return observations, rewards, done and one info per
        environment."""
        with self.watch.time("environment"):
            final, rewards, terminated, truncated, infos = self._env.step(self._actions)
        check_finite(final, "observation")
        check_finite(rewards, "reward")
        done = terminated | truncated
        self.episodes.add_step(
            rewards, infos.get("true_reward", np.full(self.num_envs, np.nan)), done
        )
        self.episodes.add_finals(infos, done)
        listed = _per_environment(infos, self.num_envs)
        for i in np.flatnonzero(done):
            listed[i]["terminal_observation"] = final[i]
            listed[i]["TimeLimit.truncated"] = bool(truncated[i] and not terminated[i])
        with self.watch.time("environment"):
            observations = reset_where(self._env, done, final)
        return observations, rewards.astype(np.float32), done, listed

    def close(self) -> None:
        """Close the environment."""
        self._env.close()

    def get_images(self) -> Sequence[NDArray[np.uint8] | None]:
        """Return the frame of each environment, (H, W, 3)."""
        return list(cast(Any, self._env.render()))

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """Return an attribute of the environment, once for each of ``indices``."""
        return [getattr(self._env, attr_name)] * len(list(self._get_indices(indices)))

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Refuse: the environments step together and share their attributes."""
        raise InvalidInputError(
            f"sb3: cannot set {attr_name!r} of single environments that step together."
        )

    def env_method(
        self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any
    ) -> list[Any]:
        """Refuse: the environments step together; call the method on the vector environment."""
        raise InvalidInputError(
            f"sb3: cannot call {method_name!r} on single environments that step together."
        )

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """Return False for each of ``indices``: single environments are not wrapped one by one."""
        return [False] * len(list(self._get_indices(indices)))


def _per_environment(infos: Mapping[str, Any], num_envs: int) -> list[dict[str, Any]]:
    keys = [key for key, value in infos.items() if key[0] != "_" and isinstance(value, np.ndarray)]
    return [{key: infos[key][i] for key in keys} for i in range(num_envs)]
