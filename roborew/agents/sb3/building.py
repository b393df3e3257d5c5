"""Models of Stable-Baselines3 without an environment, which joins them when they learn."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any, cast

import numpy as np
from gymnasium import Space
from gymnasium.spaces import Box, Dict
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.noise import NormalActionNoise
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from roborew.agents.sb3.algorithms import ALGORITHMS, Algorithm
from roborew.agents.sb3.bridge import check_observation_space
from roborew.agents.sb3.normalization import with_turned_pictures
from roborew.agents.sb3.settings import own_names
from roborew.errors import InvalidInputError

Spaces = tuple[Space[Any], Space[Any]]
_REFUSALS = (AssertionError, MemoryError, NotImplementedError, TypeError, ValueError)
"""How Stable-Baselines3 says that settings and spaces do not fit."""
POLICIES = {
    False: ("LinearPolicy", "MlpPolicy", "MlpLstmPolicy"),
    True: ("MultiInputPolicy", "MultiInputLstmPolicy"),
}
"""Whether observations have several parts -> policies, of which an algorithm's first one is taken."""


def check_action_space(algorithm: Algorithm, space: Space[Any]) -> None:
    """Raise where an algorithm cannot take the actions; other algorithms are named that can.

    Raises:
        InvalidInputError: another kind of space, or a Box without bounds.
    """
    if not isinstance(space, algorithm.actions):
        expected = " or ".join(kind.__name__ for kind in algorithm.actions)
        able = [name for name, row in ALGORITHMS.items() if isinstance(space, row.actions)]
        remedy = f"take the agent {' or '.join(able)}" if able else "no algorithm here takes these"
        raise InvalidInputError(
            f"action space: {algorithm.name} expected {expected}, got {space}; {remedy}."
        )
    if isinstance(space, Box) and not space.is_bounded():
        raise InvalidInputError(
            f"action space: expected finite bounds, got {space}; "
            "bound it with gymnasium.wrappers.vector.RescaleAction."
        )


def build_model(algorithm: Algorithm, spaces: Spaces, config: Any, seed: int, num_envs: int) -> Any:
    """Return an untrained model; the process's generators are seeded.

    Args:
        algorithm: which one.
        spaces: of observations and of actions, of one environment.
        config: its settings.
        seed: of the weights and of all that it will draw.
        num_envs: environments that it will learn in.

    Raises:
        InvalidInputError: the algorithm cannot take such spaces, or a setting.
    """
    check_observation_space(spaces[0])
    kind = algorithm.load()
    policy = _policy_name(algorithm, kind, spaces[0])
    settings = {key: value for key, value in asdict(config).items() if key not in own_names(kind)}
    try:
        env: Any = with_turned_pictures(_Spaces(num_envs, *spaces))
        model = kind(
            policy,
            None,  # its buffers would be sized, and warned of, for this one
            **settings,
            **_own_arguments(kind, config, spaces[1]),
            seed=seed,
            device="cpu",
            _init_setup_model=False,
        )
        if config.learning_rate_schedule == "linear":
            model.learning_rate = _Falling(config.learning_rate)
        model.observation_space, model.action_space = env.observation_space, env.action_space
        model.n_envs, model.env = num_envs, env
        model._setup_model()
    except _REFUSALS as error:
        raise InvalidInputError(f"{algorithm.name}: {error}") from error
    model.set_logger(Logger(None, []))
    return model


def replay_bytes(spaces: Spaces, transitions: int) -> int:
    """Return what a replay buffer holds: two observations, the action and three numbers a transition."""
    parts: list[Any] = [spaces[0]]
    if isinstance(spaces[0], Dict):
        parts = list(cast(Any, spaces[0]).spaces.values())
    observation = sum(math.prod(part.shape) * part.dtype.itemsize for part in parts)
    # A choice is held as a whole number of eight bytes.
    action = 8 * max(1, math.prod(cast(Any, spaces[1]).shape))
    return transitions * (2 * observation + action + 3 * 4)


def reporting_interval(model: Any, config: Any) -> int:
    """Steps of every environment between two reports, at whose end nothing is half done."""
    if isinstance(model, OnPolicyAlgorithm):
        return cast(Any, model).n_steps
    # Where there is no such setting a single update takes many episodes.
    return getattr(config, "report_every", 1)


def _policy_name(algorithm: Algorithm, kind: Any, space: Space[Any]) -> str:
    names = [name for name in POLICIES[isinstance(space, Dict)] if name in kind.policy_aliases]
    if not names:
        raise InvalidInputError(
            f"observation space: {algorithm.name} expected one array, got {space}; flatten it with "
            "gymnasium.wrappers.vector.FlattenObservation."
        )
    return names[0]


def _own_arguments(kind: Any, config: Any, action_space: Space[Any]) -> dict[str, Any]:
    """Arguments of the constructor that stand for settings of ours."""
    own = own_names(kind)
    network: dict[str, Any] = {}
    arguments: dict[str, Any] = {"policy_kwargs": network}
    if "hidden_dim" in own:
        network["net_arch"] = [config.hidden_dim, config.hidden_dim]
    if "log_std_init" in own:
        network["log_std_init"] = config.log_std_init
    if "lstm_hidden_size" in own:
        network["lstm_hidden_size"] = config.lstm_hidden_size
    if "action_noise_std" in own and config.action_noise_std > 0:
        zeros = np.zeros(cast(Any, action_space).shape)
        arguments["action_noise"] = NormalActionNoise(zeros, zeros + config.action_noise_std)
    return arguments


class _Falling:
    """A rate that falls in a line to 0 over the run."""

    def __init__(self, rate: float) -> None:
        self._rate = rate

    def __call__(self, progress_remaining: float) -> float:
        return self._rate * progress_remaining


class _Spaces(VecEnv):
    """Has the spaces of environments, and none of their other parts."""

    def __init__(self, num_envs: int, observation_space: Any, action_space: Any) -> None:
        cast(Any, super()).__init__(num_envs, observation_space, action_space)

    def reset(self) -> Any:
        raise NotImplementedError

    def step_async(self, actions: Any) -> None:
        raise NotImplementedError

    def step_wait(self) -> Any:
        raise NotImplementedError

    def close(self) -> None:
        """Nothing is open."""

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        # Asked for the render mode when it is made.
        return [None] * self.num_envs

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        raise NotImplementedError

    def env_method(
        self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any
    ) -> list[Any]:
        raise NotImplementedError

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        return [False] * self.num_envs
