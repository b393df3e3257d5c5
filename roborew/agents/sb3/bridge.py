"""The bridge to Stable-Baselines3 (Raffin et al., JMLR 22(268), 2021).

Stable-Baselines3 resets environments itself, within the step that ends an episode. Here the bridge
does so, after the last reward was paid for the final state and with the final observation in
``infos[i]["terminal_observation"]``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Any, cast

import numpy as np
from gymnasium import Space
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv

from roborew.agents.env_checks import (
    check_finite,
    check_observations,
    require_disabled_autoreset,
    require_paid_steps,
    reset_where,
)
from roborew.agents.rollout_report import EpisodeStatistics
from roborew.errors import InvalidInputError
from roborew.stopwatch import Stopwatch

SINGLE = (Box, Discrete, MultiBinary, MultiDiscrete)
"""Spaces of an observation, or of each of its parts, that Stable-Baselines3 takes."""


def as_sb3(env: VectorEnv[Any, Any, Any]) -> SB3Bridge:
    """Return a vector environment in the form of Stable-Baselines3.

    Args:
        env: observations in one array or a flat Dict of arrays,
            ``autoreset_mode=AutoresetMode.DISABLED``, each reward paid at its step.

    Raises:
        InvalidInputError: another autoreset mode, nested observations, or rewards that are deferred.
    """
    require_disabled_autoreset(env)
    check_observation_space(cast(Any, env).single_observation_space)
    require_paid_steps(env, "sb3")
    return SB3Bridge(env)


def check_observation_space(space: Space[Any]) -> None:
    """Raise unless Stable-Baselines3 takes such observations."""
    parts: list[Any] = [space]
    if isinstance(space, Dict):
        parts = list(cast(Any, space).spaces.values())
    if not all(isinstance(part, SINGLE) for part in parts):
        raise InvalidInputError(
            f"observation space: expected one array or a Dict of arrays, got {space}; flatten it "
            "with gymnasium.wrappers.vector.FlattenObservation."
        )


class SB3Bridge(VecEnv):
    """A Gymnasium vector environment for Stable-Baselines3; make it with `as_sb3`.

    At the end of an episode ``infos[i]["episode"]`` has its return ``r`` and length ``l``, and
    ``infos[i]["is_success"]`` the environment's own success where it tells it:
    Stable-Baselines3 logs them as ``rollout/ep_rew_mean``, ``rollout/ep_len_mean`` and
    ``rollout/success_rate``. `TrueReturn` logs the true return beside them.

    Attributes:
        episodes: what happened in the episodes so far.
        watch: time spent in the environment, under "environment".
    """

    def __init__(self, env: VectorEnv[Any, Any, Any]) -> None:
        self._env = env
        self._actions: NDArray[Any] = np.empty(0)
        self.episodes = EpisodeStatistics(env.num_envs)
        self.watch = Stopwatch()
        self._begun_at = perf_counter()
        spaces = cast(Any, env)  # Gymnasium leaves the parameter of these spaces open
        cast(Any, super()).__init__(
            env.num_envs, spaces.single_observation_space, spaces.single_action_space
        )

    def reset(self) -> Any:
        """Reset all environments, with the seeds that `seed` left; return observations (N, ...)."""
        seeds = None if None in self._seeds else cast(Any, self._seeds)
        observations, infos = self._env.reset(seed=seeds)
        self._reset_seeds()
        self._reset_options()
        self.reset_infos = _per_environment(infos, self.num_envs)
        self.episodes.restart()
        return check_observations(observations)

    def step_async(self, actions: NDArray[Any]) -> None:
        """Remember the actions (N, A)."""
        self._actions = actions

    def step_wait(self) -> tuple[Any, NDArray[np.float32], NDArray[np.bool_], list[dict[str, Any]]]:
        """Step, then reset what is done; return observations, rewards, done and one info per
        environment."""
        with self.watch.time("environment"):
            final, rewards, terminated, truncated, infos = self._env.step(self._actions)
        check_observations(final)
        check_finite(rewards, "reward")
        done = terminated | truncated
        listed = _per_environment(infos, self.num_envs)
        for i in np.flatnonzero(done).tolist():
            listed[i]["terminal_observation"] = _row(final, i)
            listed[i]["TimeLimit.truncated"] = bool(truncated[i] and not terminated[i])
            self._describe_episode(listed[i], i, float(rewards[i]))
        true_rewards = infos.get("true_reward", np.full(self.num_envs, np.nan))
        self.episodes.add_step(rewards, true_rewards, done)
        self.episodes.add_finals(infos, done)
        with self.watch.time("environment"):
            observations = reset_where(self._env, done, final)
        return observations, rewards.astype(np.float32), done, listed

    def _describe_episode(self, info: dict[str, Any], i: int, last_reward: float) -> None:
        """Say in the info of its last step what Stable-Baselines3 logs of an episode."""
        earlier, _, length = self.episodes.totals[:, i].tolist()
        seconds = perf_counter() - self._begun_at
        info["episode"] = {"r": earlier + last_reward, "l": int(length) + 1, "t": seconds}
        if "success" in info:
            info.setdefault("is_success", bool(info["success"]))

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
        if method_name == "compute_reward":
            raise InvalidInputError(
                "sb3: HerReplayBuffer pays goals set in hindsight with the environment's own "
                "compute_reward, which is the simulator's truth and no learned reward; use another "
                "replay buffer."
            )
        raise InvalidInputError(
            f"sb3: cannot call {method_name!r} on single environments that step together."
        )

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """Return False for each of ``indices``: single environments are not wrapped one by one."""
        return [False] * len(list(self._get_indices(indices)))


def _row(observations: Any, i: int) -> Any:
    """The observation of one environment."""
    if isinstance(observations, dict):
        parts = cast("dict[str, NDArray[Any]]", observations)
        return {key: part[i] for key, part in parts.items()}
    return observations[i]


def _per_environment(infos: Mapping[str, Any], num_envs: int) -> list[dict[str, Any]]:
    """One info per environment; what Gymnasium's mask calls a filler is left out."""
    keys = [key for key, value in infos.items() if key[0] != "_" and isinstance(value, np.ndarray)]
    listed: list[dict[str, Any]] = [{} for _ in range(num_envs)]
    for key in keys:
        is_known = np.broadcast_to(infos.get(f"_{key}", True), num_envs)
        for i in np.flatnonzero(is_known).tolist():
            listed[i][key] = infos[key][i]
    return listed
