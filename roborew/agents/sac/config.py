"""Settings of soft actor-critic."""

from __future__ import annotations

from dataclasses import dataclass

from roborew.bounds import check_setting


@dataclass(frozen=True, slots=True, kw_only=True)
class SACConfig:
    """Settings of `SAC`; the defaults suit 64 environments on two CPU cores."""

    batch_size: int = 256
    """Samples of one gradient step; with demonstrations half of them are theirs."""
    buffer_size: int = 300_000
    """Transitions remembered."""
    learning_starts: int = 5_000
    """Random actions before the first update; with demonstrations none are made."""
    gradient_steps: int = 4
    """Gradient steps after each step of all environments."""
    gamma: float = 0.98
    """Discount of the reward one step later, in [0, 1]."""
    n_step: int = 3
    """Rewards that are added up before a value is trusted."""
    learning_rate: float = 5e-4
    """Step size of Adam, of all networks."""
    tau: float = 0.01
    """Share of the way that the target network goes after each gradient step, in (0, 1]."""
    num_critics: int = 2
    """Action values in the ensemble; the target is the least of two drawn ones."""
    init_temperature: float = 0.005
    """Weight of the entropy at the start; it is tuned from there."""
    target_entropy: float = -1.0
    """Entropy that the temperature is tuned to [nats an action dimension]."""
    entropy_in_target: bool = False
    """Whether the value counts the entropy to come; without it, values are those of the reward."""
    cloning_coef: float = 0.0
    """Weight of imitating the demonstrations where the critics value what was demonstrated higher, in
    units of the mean value (Nair et al. 2018, arXiv:1709.10089); 0 for none."""
    hidden_dim: int = 256
    """Units of each of the two hidden layers."""
    normalize_observations: bool = True
    """Centre and scale observations by their running mean and variance."""
    report_every: int = 32
    """Steps of every environment between two reports."""

    def __post_init__(self) -> None:
        for name in (
            "batch_size",
            "buffer_size",
            "gradient_steps",
            "n_step",
            "num_critics",
            "hidden_dim",
            "report_every",
        ):
            check_setting(self, name, getattr(self, name) >= 1, "a whole number of at least 1")
        check_setting(
            self, "learning_starts", self.learning_starts >= 0, "a whole number from 0 up"
        )
        check_setting(self, "cloning_coef", self.cloning_coef >= 0, "a number from 0 up")
        check_setting(self, "gamma", 0 <= self.gamma <= 1, "a number in [0, 1]")
        check_setting(self, "tau", 0 < self.tau <= 1, "a number in (0, 1]")
        for name in ("learning_rate", "init_temperature"):
            check_setting(self, name, getattr(self, name) > 0, "a positive number")
