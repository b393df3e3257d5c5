"""Every algorithm of Stable-Baselines3 and of sb3-contrib that can be trained here: one row each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import Any

from gymnasium import Space
from gymnasium.spaces import Box, Discrete, MultiBinary, MultiDiscrete

from roborew.errors import MissingBackendError, first_line

CORE, CONTRIB = "stable_baselines3", "sb3_contrib"
_ANY = (Box, Discrete, MultiDiscrete, MultiBinary)
_ON_POLICY = {"n_steps": 32, "gamma": 0.98, "log_std_init": -0.5, "hidden_dim": 64}
_PPO = {"n_steps": 32, "batch_size": 512, "n_epochs": 5, "learning_rate": 1e-3, **_ON_POLICY}
_OFF_POLICY = {
    "buffer_size": 200_000,
    "learning_starts": 1_000,
    "gradient_steps": 16,
    "gamma": 0.98,
    "learning_rate": 3e-4,
    "hidden_dim": 128,
}
_DISCRETE = {
    **_OFF_POLICY,
    "batch_size": 256,
    "train_freq": 1,
    "gradient_steps": 4,
    "target_update_interval": 2_000,
    "exploration_fraction": 0.2,
    "max_grad_norm": 10.0,
}
_NOISY = {**_OFF_POLICY, "action_noise_std": 0.1}


@dataclass(frozen=True, slots=True)
class Algorithm:
    """An algorithm, and what it is trained with where nothing else is said.

    Attributes:
        name: what a user types.
        package: that brings it.
        class_name: of its class there.
        actions: kinds of action spaces that it takes.
        defaults: settings that matter most, and so are listed first. The package's own defaults are
            meant for one environment; here there are many.
    """

    name: str
    package: str
    class_name: str
    actions: tuple[type[Space[Any]], ...]
    defaults: Mapping[str, Any]

    def load(self) -> type[Any]:
        """Import its class.

        Raises:
            MissingBackendError: its package is not installed; the message says what to do.
        """
        try:
            return getattr(import_module(self.package), self.class_name)
        except ImportError as error:
            raise MissingBackendError(
                f"agent {self.name}: {self.package} cannot be imported ({first_line(error)}); "
                "pip install 'roborew[contrib]'."
            ) from error


_TABLE = (
    Algorithm("sb3-ppo", CORE, "PPO", _ANY, _PPO),
    Algorithm("sb3-a2c", CORE, "A2C", _ANY, {**_ON_POLICY, "n_steps": 8}),
    Algorithm("sb3-sac", CORE, "SAC", (Box,), _OFF_POLICY),
    Algorithm("sb3-td3", CORE, "TD3", (Box,), _NOISY),
    Algorithm("sb3-ddpg", CORE, "DDPG", (Box,), _NOISY),
    Algorithm("sb3-dqn", CORE, "DQN", (Discrete,), _DISCRETE),
    Algorithm("sb3-tqc", CONTRIB, "TQC", (Box,), _OFF_POLICY),
    Algorithm("sb3-crossq", CONTRIB, "CrossQ", (Box,), _OFF_POLICY),
    Algorithm("sb3-trpo", CONTRIB, "TRPO", _ANY, {**_ON_POLICY, "batch_size": 512}),
    Algorithm("sb3-recurrentppo", CONTRIB, "RecurrentPPO", _ANY, {**_PPO, "lstm_hidden_size": 64}),
    Algorithm("sb3-qrdqn", CONTRIB, "QRDQN", (Discrete,), _DISCRETE),
    Algorithm("sb3-ars", CONTRIB, "ARS", (Box, Discrete), {"n_eval_episodes": 64}),
)
ALGORITHMS = MappingProxyType({algorithm.name: algorithm for algorithm in _TABLE})
"""By name."""
