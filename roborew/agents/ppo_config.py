"""The settings of proximal policy optimisation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from roborew.bounds import check_setting

Schedule = Literal["constant", "linear"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PPOConfig:
    """Settings of `PPO`; the defaults suit 64 environments on two CPU cores."""

    RENAMED: ClassVar[Mapping[str, str]] = {
        "rollout_steps": "n_steps",
        "epochs": "n_epochs",
        "minibatch": "batch_size",
        "discount": "gamma",
        "trace": "gae_lambda",
        "clip": "clip_range",
        "value_weight": "vf_coef",
        "entropy_weight": "ent_coef",
        "max_gradient": "max_grad_norm",
        "initial_std": "init_std",
        "width": "hidden_dim",
        "normalise_observations": "normalize_observations",
        "scale_rewards": "normalize_rewards",
    }
    """Names of the release before -> today's; see `roborew.config.current_names`."""

    n_steps: int = 16
    """Steps of every environment between two updates."""
    n_epochs: int = 12
    """Passes over a rollout in an update."""
    batch_size: int = 512
    """Samples of one gradient step."""
    gamma: float = 0.98
    """Discount of the reward one step later, in [0, 1]."""
    gae_lambda: float = 0.9
    """Lambda of generalized advantage estimation, in [0, 1]."""
    clip_range: float = 0.2
    """Largest relative change of an action's probability that an update is rewarded for."""
    learning_rate: float = 1e-3
    """Step size of Adam at the start."""
    schedule: Schedule = "linear"
    """Whether the step size stays or falls to 0 at the last step of `PPO.learn`."""
    vf_coef: float = 0.5
    """Weight of the value function's squared error, at least 0."""
    ent_coef: float = 0.0
    """Weight of the policy's entropy, at least 0."""
    max_grad_norm: float = 0.5
    """Gradients are scaled down to this norm."""
    target_kl: float | None = None
    """Ends an update once the policy has moved further than 1.5 times this [nats]; None never
    does."""
    init_std: float = 0.6
    """Standard deviation of the first policy, actions spanning [-1, 1]."""
    final_std: float = 0.12
    """Largest standard deviation at the last step of `PPO.learn`; the bound falls to it by equal
    factors.

    Noise that does the work while the policy learns is missed when it acts without noise; so the
    noise falls."""
    hidden_dim: int = 64
    """Units of each of the two hidden layers."""
    normalize_observations: bool = True
    """Centre and scale observations by their running mean and variance."""
    normalize_rewards: bool = False
    """Divide rewards by the running standard deviation of the discounted return."""
    device: str = "cpu"
    """Where the networks live, a torch device name."""

    def __post_init__(self) -> None:
        for name in ("n_steps", "n_epochs", "batch_size", "hidden_dim"):
            check_setting(self, name, getattr(self, name) >= 1, "a whole number of at least 1")
        for name in ("gamma", "gae_lambda"):
            in_range = 0 <= getattr(self, name) <= 1
            check_setting(
                self, name, in_range, "a number in [0, 1], above which the values diverge"
            )
        for name in ("clip_range", "learning_rate", "max_grad_norm", "init_std", "final_std"):
            check_setting(self, name, getattr(self, name) > 0, "a positive number")
        for name in ("vf_coef", "ent_coef"):
            weight = getattr(self, name)
            check_setting(
                self, name, math.isfinite(weight) and weight >= 0, "a number of at least 0"
            )
        kl_is_positive = self.target_kl is None or self.target_kl > 0
        check_setting(self, "target_kl", kl_is_positive, "a positive number or None")
        check_setting(
            self, "schedule", self.schedule in get_args(Schedule), "'constant' or 'linear'"
        )
