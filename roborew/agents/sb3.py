"""PPO and SAC of Stable-Baselines3 (Raffin et al., JMLR 22(268), 2021) behind the interface of our
own PPO."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Generic, TypeVar, cast

import numpy as np
import torch
from gymnasium import Space
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray
from stable_baselines3 import PPO, SAC
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import VecNormalize

from roborew.agents.env_checks import box_size, check_finite
from roborew.agents.rollout_report import Callback
from roborew.agents.sb3_bridge import SB3Bridge, as_sb3
from roborew.agents.torch_state import (
    Arrays,
    current_names,
    from_optimizer,
    from_tensors,
    load_optimizer,
    to_tensors,
)
from roborew.errors import InvalidInputError
from roborew.short_repr import agent_repr
from roborew.stopwatch import Stopwatch
from roborew.storage.checkpoints import select_prefix, with_prefix

__all__ = ["SB3PPO", "SB3SAC", "SB3PPOConfig", "SB3SACConfig", "as_sb3"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SB3PPOConfig:
    """Settings of `SB3PPO`, named as in Stable-Baselines3; the defaults follow those of our own
    PPO."""

    RENAMED: ClassVar[Mapping[str, str]] = {"width": "hidden_dim"}

    n_steps: int = 32
    """Steps of every environment between two updates."""
    batch_size: int = 512
    """Samples of one gradient step."""
    n_epochs: int = 5
    """Passes over a rollout in an update."""
    gamma: float = 0.98
    """Discount in [0, 1]."""
    gae_lambda: float = 0.95
    """Lambda of generalised advantage estimation in [0, 1]."""
    learning_rate: float = 1e-3
    """Step size of Adam."""
    log_std_init: float = -0.5
    """Logarithm of the first policy's standard deviation."""
    hidden_dim: int = 64
    """Units of each of the two hidden layers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SB3SACConfig:
    """Settings of `SB3SAC`, named as in Stable-Baselines3."""

    RENAMED: ClassVar[Mapping[str, str]] = {"width": "hidden_dim"}

    batch_size: int = 256
    """Samples of one gradient step."""
    buffer_size: int = 200_000
    """Transitions remembered."""
    learning_starts: int = 1_000
    """Random actions before the first update."""
    gradient_steps: int = 16
    """Gradient steps after each step of all environments."""
    gamma: float = 0.98
    """Discount in [0, 1]."""
    learning_rate: float = 3e-4
    """Step size of Adam."""
    hidden_dim: int = 128
    """Units of each of the two hidden layers."""
    report_every: int = 32
    """Steps of every environment between two reports."""


Config = TypeVar("Config", SB3PPOConfig, SB3SACConfig)


class SB3Agent(Generic[Config]):
    """What `SB3PPO` and `SB3SAC` share. Same interface as `roborew.agents.ppo.PPO`.

    Observations are normalised with `VecNormalize`, rewards are not. Stable-Baselines3 seeds and
    draws from the global
    generators of torch, numpy and random: a loaded agent goes on, but not bit for bit, in new
    episodes and, for SAC, with an empty replay buffer.
    """

    __repr__ = agent_repr

    name: str

    def __init__(
        self, observation_space: Space[Any], action_space: Space[Any], config: Config, seed: int
    ) -> None:
        self.config: Config = config
        self.seed = seed
        self._spaces = (observation_space, action_space)
        self._env: VectorEnv[Any, Any, Any] | None = None
        self._bridge: SB3Bridge | None = None
        self._normaliser: VecNormalize | None = None
        self._moments: Arrays = {}
        # For one environment until `learn` knows the number; the weights do not depend on it.
        self._model = self._build(1)

    @property
    def steps(self) -> int:
        """Environment steps so far, over all environments."""
        return int(self._model.num_timesteps)

    def act(
        self, observations: NDArray[np.floating], deterministic: bool = True
    ) -> NDArray[np.float32]:
        """Return actions, shape (n, A), for observations of shape (n, D)."""
        if self._moments:
            # As VecNormalize does it, which is not there once the agent has left its environment.
            std = np.sqrt(self._moments["variance"] + 1e-8)
            standardized = (observations - self._moments["mean"]) / std
            observations = np.clip(standardized, -10.0, 10.0).astype(np.float32)
        return self._model.predict(
            check_finite(observations, "observation"), deterministic=deterministic
        )[0]

    def learn(
        self, env: VectorEnv[Any, Any, Any], total_steps: int, callback: Callback | None = None
    ) -> None:
        """Learn in ``env`` until `steps` reaches ``total_steps`` or ``callback`` returns False; see
        our own PPO."""
        bridge = self._enter(env)
        while self.steps < total_steps:
            watch = Stopwatch()
            seconds_before = bridge.watch.seconds.get("environment", 0.0)
            with watch.time("all"):
                self._model.learn(self._chunk() * env.num_envs, reset_num_timesteps=False)
            self._remember_moments()
            # The bridge's watch is never reset, so only the difference is of this report.
            inside = bridge.watch.seconds["environment"] - seconds_before
            seconds = {"environment": inside, "updating": watch.seconds["all"] - inside}
            report = bridge.episodes.report(self.steps, seconds, {})
            bridge.episodes.clear()
            if callback is not None and callback(report) is False:
                return

    def state_dict(self) -> tuple[Arrays, dict[str, Any]]:
        """Return weights, optimizer moments and normalisation as arrays, and a JSON-able
        dictionary."""
        arrays = with_prefix(self._moments, "observations/")
        for name, part in self._parts().items():
            is_optimizer = isinstance(part, torch.optim.Optimizer)
            state = from_optimizer(part) if is_optimizer else from_tensors(part)
            arrays |= with_prefix(state, f"{name}/")
        return arrays, {
            "agent": self.name,
            "steps": self.steps,
            "seed": self.seed,
            "config": asdict(self.config),
        }

    def load_state_dict(self, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned, of an agent with the same spaces and configuration."""
        if dict(meta["config"]) != asdict(self.config):
            raise InvalidInputError(
                f"{self.name}: the state is of {meta['config']}, this agent of {self.config}."
            )
        arrays = current_names(arrays)
        self._load_parts(arrays)
        self._moments = select_prefix(arrays, "observations/")
        self._model.num_timesteps, self._env = int(meta["steps"]), None

    def _parts(self) -> dict[str, Any]:
        """Everything learned: state dictionaries of tensors, and optimizers."""
        raise NotImplementedError

    def _build(self, num_envs: int) -> Any:
        """Return a model for so many environments."""
        raise NotImplementedError

    def _chunk(self) -> int:
        """Steps of every environment between two reports."""
        raise NotImplementedError

    def _load_parts(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        for name, part in self._parts().items():
            if isinstance(part, torch.optim.Optimizer):
                load_optimizer(part, select_prefix(arrays, f"{name}/"))
                continue
            tensors = to_tensors(select_prefix(arrays, f"{name}/"))
            expected_shapes = {key: value.shape for key, value in part.items()}
            shapes = {key: value.shape for key, value in tensors.items()}
            if shapes != expected_shapes:
                raise InvalidInputError(
                    f"{self.name}: the weights {name!r} do not fit these spaces and settings."
                )
            with torch.no_grad():
                for key, value in part.items():
                    value.copy_(tensors[key])

    def _enter(self, env: VectorEnv[Any, Any, Any]) -> SB3Bridge:
        if self._bridge is not None and self._env is env:
            return self._bridge
        bridge = as_sb3(env)
        bridge.seed(self.seed)
        # The buffers' sizes are fixed when a model is built, so a new one takes over the weights.
        arrays, meta = self.state_dict()
        self._model = self._build(env.num_envs)
        self.load_state_dict(arrays, meta)
        self._normaliser = VecNormalize(bridge, norm_reward=False)
        if self._moments:
            moments = cast(Any, self._normaliser.obs_rms)
            moments.mean = self._moments["mean"].copy()
            moments.var = self._moments["variance"].copy()
            moments.count = float(self._moments["count"][0])
        self._model.set_env(self._normaliser)
        self._env, self._bridge = env, bridge
        return bridge

    def _remember_moments(self) -> None:
        moments = cast(Any, self._normaliser).obs_rms
        self._moments = {
            "mean": moments.mean.copy(),
            "variance": moments.var.copy(),
            "count": np.array([moments.count]),
        }

    def _prepare(self, model: Any, num_envs: int) -> Any:
        """Set up a model that was made without an environment."""
        model.observation_space, model.action_space = self._spaces
        model.n_envs = num_envs
        model._setup_model()
        model.set_logger(Logger(None, []))
        return model


class SB3PPO(SB3Agent[SB3PPOConfig]):
    """PPO of Stable-Baselines3; see `SB3Agent`."""

    name = "sb3-ppo"

    def __init__(
        self,
        observation_space: Space[Any],
        action_space: Space[Any],
        config: SB3PPOConfig | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(observation_space, action_space, config or SB3PPOConfig(), seed)

    def _build(self, num_envs: int) -> Any:
        settings = asdict(self.config)
        hidden_dim = settings.pop("hidden_dim")
        log_std = settings.pop("log_std_init")
        network = {"net_arch": [hidden_dim, hidden_dim], "log_std_init": log_std}
        model = PPO(
            "MlpPolicy",
            cast(Any, None),  # made without an environment, see `_prepare`
            **settings,
            policy_kwargs=network,
            seed=self.seed,
            device="cpu",
            _init_setup_model=False,
        )
        return self._prepare(model, num_envs)

    def _chunk(self) -> int:
        return self.config.n_steps

    def _parts(self) -> dict[str, Any]:
        policy = self._model.policy
        return {"policy": policy.state_dict(), "optimizer": policy.optimizer}


class SB3SAC(SB3Agent[SB3SACConfig]):
    """SAC of Stable-Baselines3; see `SB3Agent`."""

    name = "sb3-sac"

    def __init__(
        self,
        observation_space: Space[Any],
        action_space: Space[Any],
        config: SB3SACConfig | None = None,
        seed: int = 0,
    ) -> None:
        box_size(action_space, "action")
        super().__init__(observation_space, action_space, config or SB3SACConfig(), seed)

    def _build(self, num_envs: int) -> Any:
        settings = asdict(self.config)
        hidden_dim = settings.pop("hidden_dim")
        del settings["report_every"]
        entropy = -float(np.prod(cast(tuple[int, ...], self._spaces[1].shape)))
        model = SAC(
            "MlpPolicy",
            cast(Any, None),  # made without an environment, see `_prepare`
            **settings,
            policy_kwargs={"net_arch": [hidden_dim, hidden_dim]},
            seed=self.seed,
            device="cpu",
            target_entropy=entropy,
            _init_setup_model=False,
        )
        return self._prepare(model, num_envs)

    def _chunk(self) -> int:
        return self.config.report_every

    def _parts(self) -> dict[str, Any]:
        model = self._model
        return {
            "policy": model.policy.state_dict(),
            "temperature": {"log": model.log_ent_coef.data},
            "actor_optimizer": model.actor.optimizer,
            "critic_optimizer": model.critic.optimizer,
            "temperature_optimizer": model.ent_coef_optimizer,
        }
