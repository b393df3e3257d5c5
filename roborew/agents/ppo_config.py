"""The settings of proximal policy optimisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from roborew.errors import InvalidInputError


@dataclass(frozen=True, slots=True, kw_only=True)
class PPOConfig:
    """Settings of `PPO`; the defaults suit 64 environments on two CPU cores."""

    n_steps: int = 16
    """Steps of every environment between two updates."""
    n_epochs: int = 12
    """Passes over a rollout in an update."""
    batch_size: int = 512
    """Samples of one gradient step."""
    gamma: float = 0.98
    """Gamma in [0, 1]."""
    gae_lambda: float = 0.9
    """Lambda of generalised advantage estimation in [0, 1]."""
    clip_range: float = 0.2
    """Largest relative change of an action's probability that an update is rewarded for."""
    learning_rate: float = 1e-3
    """Step size of Adam at the start."""
    schedule: Literal["constant", "linear"] = "linear"
    """Whether the step size stays or falls to 0 at the last step of `PPO.learn`."""
    vf_coef: float = 0.5
    """Weight of the critic's squared error."""
    ent_coef: float = 0.0
    """Weight of the policy's entropy."""
    max_grad_norm: float = 0.5
    """Gradients are scaled down to this norm."""
    target_kl: float | None = None
    """Ends an update once the policy has moved further than 1.5 times this [nats]; None never
    does."""
    initial_std: float = 0.6
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
            if getattr(self, name) < 1:
                raise InvalidInputError(
                    f"PPOConfig.{name}: expected at least 1, got {getattr(self, name)}."
                )
        for name in ("gamma", "gae_lambda"):
            if not 0 <= getattr(self, name) <= 1:
                raise InvalidInputError(
                    f"PPOConfig.{name}: expected a number in [0, 1], got {getattr(self, name)}; "
                    "above one the values diverge."
                )
        for name in ("clip_range", "learning_rate", "max_grad_norm", "initial_std", "final_std"):
            if not getattr(self, name) > 0:
                raise InvalidInputError(
                    f"PPOConfig.{name}: expected a positive number, got {getattr(self, name)}."
                )
